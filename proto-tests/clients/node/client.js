// A client in pure JavaScript (kafkajs): produces, consumes in a group, and says what a wrong password gives.
// Arguments: BOOTSTRAP USER PASSWORD TOPIC GROUP; CLIENT_PROTOCOL, CLIENT_CA, CLIENT_CERT and CLIENT_KEY (PEM files) say how it
// connects. With the arguments logins FILE: see logins().
const fs = require('fs')
const http = require('http')
const https = require('https')
const { ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')

const RECORDS = 200
const [bootstrap, user, password, topic, group] = process.argv.slice(2)
const protocol = process.env.CLIENT_PROTOCOL || 'SASL_PLAINTEXT'
const read = name => process.env[name] && fs.readFileSync(process.env[name])
const ssl = protocol.endsWith('SSL') && { ca: [read('CLIENT_CA')], cert: read('CLIENT_CERT'), key: read('CLIENT_KEY') }
const sasl = protocol.startsWith('SASL')

const client = (pass, retries) =>
  new Kafka({
    clientId: 'proto-tests-node',
    brokers: bootstrap.split(','),
    sasl: sasl ? { mechanism: 'plain', username: user, password: pass } : undefined,
    ssl,
    logLevel: logLevel.NOTHING,
    retry: { retries },
  })

async function main() {
  const kafka = client(password, 5)
  const producer = kafka.producer()
  await producer.connect()
  const messages = Array.from({ length: RECORDS }, (_, i) => ({ key: `k${i}`, value: `v${i}` }))
  await producer.send({ topic, messages, acks: -1 })
  await producer.disconnect()

  // The only client here that still has the AlterConfigs of old.
  const configurer = kafka.admin()
  await configurer.connect()
  const configEntries = [{ name: 'retention.ms', value: '86400000' }]
  await configurer.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] })
  await configurer.disconnect()

  const consumer = kafka.consumer({ groupId: group, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const got = []
  await new Promise((resolve, reject) => {
    // It starts again by itself after an error that passes, such as a coordinator that is still loading.
    consumer.on(consumer.events.CRASH, e => e.payload.restart || reject(e.payload.error))
    consumer.run({
      eachMessage: async ({ message }) => {
        got.push(`${message.key}=${message.value}`)
        if (got.length === RECORDS) resolve()
      },
    })
  })
  await consumer.disconnect()
  got.sort()
  console.log(`consumed ${got.length} distinct ${new Set(got).size} first ${got[0]} last ${got[got.length - 1]}`)

  if (!sasl) return
  const admin = client('wrong-pass-canary', 0).admin()
  await admin.connect().then(
    () => console.log('wrong password: accepted'),
    e => console.log(`wrong password: ${e.name}: ${e.message}`),
  )
}

// Each line of the file is a login: KEY PROTOCOL BOOTSTRAP MECHANISM USER PASSWORD TOPIC, separated by tabs. Produces a record with
// that key, reads the topic until it comes, and prints "KEY ok" or "KEY refused: WHY". With OAUTHBEARER the word for the password says
// where the token comes from: "unsecured", or "given URL" for the issuer's token endpoint, where the secret is USER-secret.
async function logins(file) {
  const rows = fs.readFileSync(file, 'utf8').trimEnd().split('\n').map(line => line.split('\t'))
  const said = await Promise.all(rows.map(row => login(...row).then(() => `${row[0]} ok`, e => `${row[0]} refused: ${e.message}`)))
  console.log(said.join('\n'))
}

async function login(key, protocol, broker, mechanism, username, password, topic) {
  const kafka = new Kafka({
    clientId: key,
    brokers: [broker],
    sasl: mechanism === 'OAUTHBEARER' ? bearer(username, password) : { mechanism: mechanism.toLowerCase(), username, password },
    ssl: protocol === 'SASL_SSL' && { ca: [read('CLIENT_CA')] },
    logLevel: logLevel.NOTHING,
    retry: { retries: 5 },
  })
  const producer = kafka.producer()
  await producer.connect()
  await producer.send({ topic, messages: [{ key, value: 'v', partition: 0 }], acks: -1 })
  await producer.disconnect()
  // It reads in groups only.
  const consumer = kafka.consumer({ groupId: `${topic}-${key}`, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, e => e.payload.restart || reject(e.payload.error))
    consumer.run({ eachMessage: async ({ message }) => message.key.toString() === key && resolve() })
  })
  await consumer.disconnect()
}

function bearer(user, source) {
  const encode = content => Buffer.from(JSON.stringify(content)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const unsecured = () => `${encode({ alg: 'none' })}.${encode({ sub: user, iat: now, exp: now + 600 })}.`
  const oauthBearerProvider = async () => ({ value: source === 'unsecured' ? unsecured() : await token(source.split(' ')[1], user) })
  return { mechanism: 'oauthbearer', oauthBearerProvider }
}

function token(url, user) {
  const options = { method: 'POST', auth: `${user}:${user}-secret`, headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  return new Promise((resolve, reject) => {
    const asked = (url.startsWith('https') ? https : http).request(url, { ...options, ca: read('CLIENT_CA') }, async answer => {
      let text = ''
      for await (const part of answer) text += part
      if (answer.statusCode === 200) resolve(JSON.parse(text).access_token)
      else reject(new Error(`the issuer answers ${answer.statusCode}`))
    })
    asked.on('error', reject).end('grant_type=client_credentials')
  })
}

const work = bootstrap === 'logins' ? logins(user) : main()
work.then(() => process.exit(0), e => {
  console.log('failed:', e)
  process.exit(1)
})
