/** The vectors of protocols/, each folder by its walker: `walk(file)` throws when the code disagrees with the vector. */
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'chai'

type Walk = (file: string) => void | Promise<void>

const ROOT = join(import.meta.dirname, '..')
const vectorDir = (protocol: string) => join(ROOT, 'protocols', protocol, 'vectors')

export const protocolsWithVectors = () => readdirSync(join(ROOT, 'protocols')).filter((protocol) => existsSync(vectorDir(protocol)))

/** The files that walk vectors: test/vectors/PROTOCOL.ts, or test/PROTOCOL/vectors.ts for a protocol that has none there. */
export function walkerFiles(): Map<string, string> {
  const folders = readdirSync(join(ROOT, 'test')).filter((room) => existsSync(join(ROOT, 'test', room, 'vectors.ts')))
  return new Map([
    ...folders.map((room): [string, string] => [room, join(ROOT, 'test', room, 'vectors.ts')]),
    ...readdirSync(join(ROOT, 'test', 'vectors')).map((file): [string, string] => [
      basename(file, '.ts'),
      join(ROOT, 'test', 'vectors', file)
    ])
  ])
}

const filesOf = (protocol: string) =>
  readdirSync(vectorDir(protocol), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

/** One test for each file of these protocols. */
export function describeVectors(walkers: Record<string, () => Promise<{ walk: Walk }>>): void {
  for (const [protocol, load] of Object.entries(walkers)) {
    describe(protocol, () => {
      let walk: Walk

      it('has vectors and a walker for them', async () => {
        expect(filesOf(protocol), `protocols/${protocol}/vectors`).to.not.deep.equal([])
        ;({ walk } = await load())
        expect(walk).to.be.a('function')
      })

      for (const file of filesOf(protocol)) {
        it(basename(file), () => walk(file))
      }
    })
  }
}
