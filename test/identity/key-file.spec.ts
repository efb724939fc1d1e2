import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, KeyFileError, keyPairFromSeed, readKeyFile, writeKeyFile } from '../../src/identity/index.ts'

describe('identity: key files', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-keys-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  it('gives back what was written, for its owner alone', async () => {
    const pair = generateKeyPair()
    const path = join(dir, 'deep', 'down', 'key.json')
    await writeKeyFile(path, pair)
    expect(await readKeyFile(path)).to.deep.equal(pair)
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect(JSON.parse(await readFile(path, 'utf8'))).to.deep.equal([...pair.secretKey])
  })

  it('never writes over a key', async () => {
    const path = join(dir, 'key.json')
    const first = generateKeyPair()
    await writeKeyFile(path, first)
    await refused(writeKeyFile(path, generateKeyPair()), /exists already and is not overwritten/)
    expect(await readKeyFile(path)).to.deep.equal(first)
  })

  it('names a place where no file can be', async () => {
    await writeFile(join(dir, 'file'), '')
    await refused(writeKeyFile(join(dir, 'file', 'key.json'), generateKeyPair()), /cannot write the key file .*--out/)
    await mkdir(join(dir, 'folder'))
    await refused(writeKeyFile(join(dir, 'folder'), generateKeyPair()), /exists already/)
  })

  it('tells how to make a file that is missing, and names one that cannot be read', async () => {
    const path = join(dir, 'none.json')
    await refused(readKeyFile(path), new RegExp(`${path}.*ENOENT.*koii-mesh keygen --out ${path}`))
    await refused(readKeyFile(dir), /EISDIR.*check the path/)
  })

  const good = [...keyPairFromSeed(new Uint8Array(32).fill(1)).secretKey]
  const wrong: Array<[string, string, RegExp]> = [
    ['nothing', '', /not JSON/],
    ['half a file', JSON.stringify(good).slice(0, 80), /not JSON/],
    ['a seed phrase', 'abandon ability able', /not JSON/],
    ['an object', '{"secretKey":[]}', /not an array/],
    ['null', 'null', /not an array/],
    ['a seed alone', JSON.stringify(good.slice(0, 32)), /an array of 32 values/],
    ['a number too many', JSON.stringify([...good, 0]), /an array of 65 values/],
    ['256', JSON.stringify([256, ...good.slice(1)]), /an array of 64 values/],
    ['a fraction', JSON.stringify([0.5, ...good.slice(1)]), /an array of 64 values/],
    ['text', JSON.stringify(good.map(String)), /an array of 64 values/],
    ['halves that do not belong together', JSON.stringify([...good.slice(0, 63), good[63]! ^ 1]), /public half does not belong/]
  ]
  for (const [what, text, complaint] of wrong) {
    it(`refuses a file with ${what}, and quotes none of it`, async () => {
      const path = join(dir, 'key.json')
      await writeFile(path, text)
      const message = await refused(readKeyFile(path), complaint)
      expect(message).to.include(path).and.include('64 numbers')
      expect(message).to.not.include(good.slice(0, 4).join())
    })
  }
})

async function refused(promise: Promise<unknown>, complaint: RegExp): Promise<string> {
  let error: unknown
  await promise.catch((err) => {
    error = err
  })
  expect(error).to.be.instanceOf(KeyFileError)
  expect((error as Error).message).to.match(complaint)
  return (error as Error).message
}
