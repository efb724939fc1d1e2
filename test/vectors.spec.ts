/**
 * Walks every protocols/<protocol>/vectors folder: one test for each file. The walker of a protocol is the function
 * `walk(file)` of test/vectors/<protocol>.ts, or of test/<protocol>/vectors.ts; it throws when the code disagrees with
 * the vector. A folder without a walker fails, and so does a walker without vectors.
 */
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'chai'

type Walk = (file: string) => void | Promise<void>

const ROOT = join(import.meta.dirname, '..')
const vectorDir = (protocol: string) => join(ROOT, 'protocols', protocol, 'vectors')
const walkerFiles = (protocol: string) => [join(ROOT, 'test', 'vectors', `${protocol}.ts`), join(ROOT, 'test', protocol, 'vectors.ts')]

const filesOf = (protocol: string) =>
  readdirSync(vectorDir(protocol), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()

const protocols = readdirSync(join(ROOT, 'protocols')).filter((protocol) => existsSync(vectorDir(protocol)))
const walked = [
  ...readdirSync(join(ROOT, 'test', 'vectors')).map((file) => basename(file, '.ts')),
  ...readdirSync(join(ROOT, 'test')).filter((room) => existsSync(join(ROOT, 'test', room, 'vectors.ts')))
]

describe('vectors', () => {
  for (const protocol of protocols) {
    describe(protocol, () => {
      let walk: Walk
      const walker = walkerFiles(protocol).find((file) => existsSync(file))

      it('has vectors and a walker for them', async () => {
        expect(filesOf(protocol), `protocols/${protocol}/vectors`).to.not.deep.equal([])
        expect(walker, `write test/vectors/${protocol}.ts`).to.be.a('string')
        ;({ walk } = (await import(walker!)) as { walk: Walk })
        expect(walk, `${walker} exports walk(file)`).to.be.a('function')
      })

      for (const file of filesOf(protocol)) {
        it(basename(file), () => walk(file))
      }
    })
  }

  it('has vectors for every walker', () => {
    expect(walked.filter((protocol) => !protocols.includes(protocol))).to.deep.equal([])
  })
})
