// A real OpenID Connect issuer (npm's oidc-provider): discovery, JWKS, and the client credentials grant, whose access tokens are JWTs.
// Argument: a JSON file with the settings that src/issuer.rs writes there. It serves http and https; its third port is the harness's
// alone, and changes at run time what follows:
//   POST /keys      {"keys": [{"kid", "alg", "pem"}, ...], "sign": [kid, ...]}: what is published, and which of them sign
//   POST /pace      {"ms": n}: how long each answer is held back
//   GET  /requests  how often each path has been asked for
import { createPrivateKey, webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'

// What Node 22 has and the library takes for granted; the Nodes of distributions are older.
globalThis.crypto ??= webcrypto
URL.parse ??= text => (URL.canParse(text) ? new URL(text) : null)
const { default: Provider } = await import('oidc-provider')

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const clients = new Map(settings.clients.map(client => [client.id, client]))
const requests = {}
let pace = 0
let answer = build(settings)

// One provider for a set of keys: the library keeps what it was made with.
function build({ keys, sign }) {
  const jwks = keys.map(({ kid, alg, pem }) => ({ ...createPrivateKey(pem).export({ format: 'jwk' }), kid, alg, use: 'sig' }))
  const signing = alg => jwks.find(key => key.alg === alg && sign.includes(key.kid))?.kid
  const provider = new Provider(settings.issuer, {
    jwks: { keys: jwks },
    clients: settings.clients.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: jwks[0].alg,
    })),
    scopes: ['kafka'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        // Kafka's clients name no resource.
        defaultResource: () => settings.resource,
        getResourceServerInfo: (ctx, resource, client) => {
          const { audience, alg, seconds } = clients.get(client.clientId)
          return { scope: 'kafka', audience, accessTokenFormat: 'jwt', accessTokenTTL: seconds, jwt: { sign: { alg, kid: signing(alg) } } }
        },
      },
    },
  })
  provider.on('server_error', (ctx, error) => console.log('server error:', error.message))
  provider.on('grant.error', (ctx, error) => console.log('grant refused:', error.message, error.error_description))
  return provider.callback()
}

function serve(request, response) {
  const path = request.url.split('?')[0]
  requests[path] = (requests[path] ?? 0) + 1
  if (pace) setTimeout(() => answer(request, response), pace)
  else answer(request, response)
}

async function control(request, response) {
  let text = ''
  for await (const part of request) text += part
  const say = (status, body) => {
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), connection: 'close' })
    response.end(body)
  }
  try {
    if (request.url === '/keys') answer = build(JSON.parse(text))
    else if (request.url === '/pace') pace = JSON.parse(text).ms
    else if (request.url !== '/requests') return say(404, 'no such thing')
    say(200, JSON.stringify(requests))
  } catch (error) {
    say(400, error.message)
  }
}

const { host, ports } = settings
const listen = (server, port) => new Promise((resolve, reject) => server.on('error', reject).listen(port, host, resolve))
await listen(http.createServer(serve), ports.http)
await listen(https.createServer({ key: settings.tls, cert: settings.tls }, serve), ports.https)
await listen(http.createServer(control), ports.control)
console.log('the issuer is ready')
