/** Deploying over a cluster that loses requests and answers. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { SETTLEMENT_SO } from '../../src/cli/common.ts'
import { generateKeyPair } from '../../src/identity/index.ts'
import { signerOf } from '../../src/k2/index.ts'
import { type Cluster, compareElf, createCluster, deployProgram, readProgram } from '../../src/k2/loader/index.ts'
import { type Fixture, failureOf, startK2 } from './support.ts'

const elf = readFileSync(SETTLEMENT_SO)
/** What is left of a transaction of 1,232 bytes beside one signature, three keys and the instruction's own fields. */
const CHUNKS = Math.ceil(elf.length / 1012)
const WRITE = 1

describe('k2 loader: deploying', function () {
  this.timeout(60_000)

  let f: Fixture
  let cluster: Cluster
  const payer = signerOf(generateKeyPair())
  const key = signerOf(generateKeyPair())
  const program = { address: key.address, signer: key }
  beforeEach(async () => {
    f = await startK2({ ticking: true, slotMs: 30 })
    cluster = createCluster(f.k2.url)
    await cluster.airdrop(payer.address, 10_000_000_000n)
  })
  afterEach(async () => {
    cluster.close()
    await f.close()
  })

  /** The cluster, with each write handed to `meet` first, by its number from 1 on. */
  const meeting = (meet: (write: number, send: () => Promise<{ signature: string }>) => Promise<{ signature: string }>) => {
    let writes = 0
    const wrapped: Cluster = {
      ...cluster,
      send: (instructions, signers) => {
        const send = () => cluster.send(instructions, signers)
        return instructions[0]!.data[0] === WRITE && instructions.length === 1 ? meet(++writes, send) : send()
      }
    }
    return { cluster: wrapped, writes: () => writes }
  }

  it('writes each chunk once, and tells how far it is', async () => {
    const met = meeting((_write, send) => send())
    const told: number[] = []
    const done = await deployProgram({ cluster: met.cluster, payer, program, elf, onProgress: (written) => told.push(written) })
    expect(done).to.include({ outcome: 'deployed', programId: key.address, authority: payer.address })
    expect(met.writes()).to.equal(CHUNKS)
    expect(told).to.deep.equal(told.toSorted((a, b) => a - b))
    expect(told[0]).to.be.below(1012)
    expect(told.at(-1)).to.equal(elf.length)
    expect(compareElf((await readProgram(cluster, key.address))!, elf).equal).to.equal(true)
  })

  it('leaves a buffer that it names when the cluster fails, and writes only the rest into it', async () => {
    const failing = meeting((write, send) => (write <= 10 ? send() : Promise.reject(new Error('gone'))))
    const told: string[] = []
    const error = await failureOf(deployProgram({ cluster: failing.cluster, payer, program, elf, onBuffer: (buffer) => told.push(buffer) }))
    expect(error).to.include({ name: 'ProgramDeployError', buffer: told[0] })
    expect(error.message).to.include('gone').and.to.include(`--buffer ${told[0]}`)
    const met = meeting((_write, send) => send())
    const done = await deployProgram({ cluster: met.cluster, payer, program, elf, buffer: told[0] })
    expect(done).to.include({ outcome: 'deployed' })
    expect(met.writes()).to.equal(CHUNKS - 10)
  })

  it('looks what arrived when answers are lost, and sends it no second time', async () => {
    const met = meeting(async (write, send) => {
      const sent = await send()
      if (write % 3 === 0) {
        throw new Error('no answer')
      }
      return sent
    })
    const done = await deployProgram({ cluster: met.cluster, payer, program, elf })
    expect(done).to.include({ outcome: 'deployed' })
    expect(met.writes()).to.equal(CHUNKS)
  })

  it('ends where it is asked to', async () => {
    const stop = new AbortController()
    const met = meeting((write, send) => {
      if (write === 5) {
        stop.abort()
      }
      return send()
    })
    const error = await failureOf(deployProgram({ cluster: met.cluster, payer, program, elf, signal: stop.signal }))
    expect(error).to.include({ name: 'ProgramDeployError' })
    expect(error.message).to.include('interrupted').and.to.include('--buffer')
    expect(met.writes()).to.be.below(CHUNKS)
    expect(await readProgram(cluster, key.address)).to.equal(undefined)
  })
})
