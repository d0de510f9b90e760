// A client in pure JavaScript (kafkajs): produces, consumes in a group, and says what a wrong password gives.
// Arguments: BOOTSTRAP USER PASSWORD TOPIC GROUP; CLIENT_PROTOCOL, CLIENT_CA, CLIENT_CERT and CLIENT_KEY (PEM files) say how it
// connects.
const fs = require('fs')
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

main().then(() => process.exit(0), e => {
  console.log('failed:', e)
  process.exit(1)
})
