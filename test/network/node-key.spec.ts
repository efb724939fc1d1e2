import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { expect } from 'chai'
import { NodeKeyError, readOrMakeNodeKey } from '../../src/network/index.ts'

describe('network: node key', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-'))
  })
  afterEach(() => rm(dir, { recursive: true }))

  const failure = (path: string) =>
    readOrMakeNodeKey(path).then(
      () => undefined,
      (err: unknown) => err as Error
    )

  it('is made on the first start, for its owner alone, and the same on the next', async () => {
    const path = join(dir, 'deep', 'node.key')
    const first = await readOrMakeNodeKey(path)
    expect((await stat(path)).mode & 0o777).to.equal(0o600)
    expect((await readOrMakeNodeKey(path)).equals(first)).to.equal(true)
  })

  it('says what to do about a file that is none, and leaves it alone', async () => {
    const path = join(dir, 'node.key')
    await writeFile(path, 'not a key')
    const err = await failure(path)
    expect(err).to.be.instanceOf(NodeKeyError)
    expect(err?.message).to.contain(path).and.to.contain('move it away')
    expect((await stat(path)).size).to.equal(9)
  })

  it('takes only Ed25519 keys', async () => {
    const path = join(dir, 'node.key')
    await writeFile(path, privateKeyToProtobuf(await generateKeyPair('secp256k1')))
    expect((await failure(path))?.message).to.contain('secp256k1')
  })

  it('says which file cannot be read or written', async () => {
    expect((await failure(dir))?.message).to.contain('EISDIR')
    await writeFile(join(dir, 'file'), '')
    expect((await failure(join(dir, 'file', 'node.key')))?.name).to.equal('NodeKeyError')
  })
})
