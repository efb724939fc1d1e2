import { createHash } from 'node:crypto'
import { fastify } from 'fastify'
import { loopbackHost } from '../config/index.ts'

export interface StaticSiteInit {
  /** the same seed gives the same pages */
  seed: string
  /** @default 6 */
  pages?: number
  /** an IP address of this machine; by default its loopback */
  host?: string
  /** 0 (default) for a free one */
  port?: number
}

export interface StaticSite {
  /** without a slash at the end */
  url: string
  /** absolute, for the parameters of the site-archive task */
  urls: string[]
  stop(): Promise<void>
}

const WORDS = 'mesh node slot stake round proof record vote peer block audit bounty ledger gossip signer cycle'.split(' ')

/** A small local web site that archives the same for everyone: the input of the site-archive task on a testnet. */
export async function startStaticSite({ seed, pages = 6, host = loopbackHost(), port = 0 }: StaticSiteInit): Promise<StaticSite> {
  const app = fastify({ logger: false })
  const paths = ['/', ...Array.from({ length: pages }, (_, i) => `/pages/${i + 1}.html`), '/data.json']
  app.get('/', (_request, reply) =>
    reply.type('text/html; charset=utf-8').send(
      page(
        'Index',
        paths
          .slice(1)
          .map((path) => `<a href="${path}">${path}</a>`)
          .join('\n')
      )
    )
  )
  app.get<{ Params: { name: string } }>('/pages/:name', (request, reply) => {
    const { name } = request.params
    return paths.includes(`/pages/${name}`)
      ? reply.type('text/html; charset=utf-8').send(page(name, prose(`${seed}/${name}`, 400)))
      : reply.code(404).type('text/plain; charset=utf-8').send('no such page')
  })
  app.get('/data.json', (_request, reply) =>
    reply.type('application/json; charset=utf-8').send({ seed, words: prose(seed, 20).split(' ') })
  )
  const url = await app.listen({ host, port })
  return { url, urls: paths.map((path) => `${url}${path}`), stop: () => app.close() }
}

function page(title: string, body: string): string {
  return `<!doctype html>\n<title>${title}</title>\n<h1>${title}</h1>\n<p>${body}</p>\n`
}

/** Words that follow from the seed. */
function prose(seed: string, count: number): string {
  const words: string[] = []
  for (let i = 0; words.length < count; i++) {
    const bytes = createHash('sha256').update(`${seed}/${i}`).digest()
    words.push(...[...bytes].map((byte) => WORDS[byte % WORDS.length]!))
  }
  return words.slice(0, count).join(' ')
}
