import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { generateKeyPair, type KeyPair } from '../../src/identity/index.ts'
import { createK2Client, createOutbox, type FinalVote, type K2Client, type Outbox, type OutboxInit } from '../../src/k2/index.ts'
import { vote as voteInstruction } from '../../src/k2/settlement/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { signerWith } from '../signer/signers.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, KOII, signerOf, silent, startChain } from './chain.ts'
import { createFork, type FaultProxy, startFaultProxy } from './fault-proxy.ts'

const ballot = (cycle: number, fill = 1): FinalVote => ({
  cycle,
  root: Buffer.alloc(32, fill),
  recordDigest: Buffer.alloc(32, fill + 1),
  totalRewards: 0n
})

describe('k2: outbox under faults', () => {
  let chain: Chain
  let dir: string
  let store: Store
  let proxies: FaultProxy[]
  let client: K2Client
  let outbox: Outbox
  let told: string[]
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-outbox-'))
    chain = await startChain({ roundSlots: 400 })
    proxies = await Promise.all([1, 2, 3].map((seed) => startFaultProxy({ target: chain.k2.url, random: randomFrom(seed) })))
    client = open(3)
    store = openStore({ dir })
    told = []
  })
  afterEach(async () => {
    await outbox.stop()
    client.close()
    store.close()
    await Promise.all(proxies.map((proxy) => proxy.close()))
    await chain.close()
    await rm(dir, { recursive: true })
  })

  const open = (endpoints: number) =>
    createK2Client({
      url: proxies.slice(0, endpoints).map(({ url }) => url),
      limits: { timeoutMs: 500, firstPauseMs: 10, longestPauseMs: 100, patienceMs: 60 },
      random: randomFrom(7)
    })
  const make = ({ pair = chain.stakers[0]!, ...init }: Partial<OutboxInit> & { pair?: KeyPair } = {}) => {
    outbox = createOutbox({
      k2: client,
      signer: signerWith(pair, store.signerLog),
      task: chain.task,
      timing: chain.timing,
      store: store.keyValue('outbox'),
      slot: () => chain.k2.slot(),
      slotMs: () => 20,
      log: silent,
      onVoted: ({ cycle }, sent) => told.push(`voted ${cycle} ${sent == null ? 'by others' : 'by us'}`),
      onLost: ({ cycle }, reason) => told.push(`lost ${cycle}: ${reason}`),
      ...init
    })
    return outbox
  }
  const outcome = () => eventually('an outcome', () => (told.length > 0 ? told : undefined))
  /** Completes so many blocks: a warp is one block however far it goes. */
  const blocks = (count: number) => {
    for (let i = 0; i < count; i++) {
      chain.k2.warpTo(chain.k2.slot() + 1)
    }
  }
  const paused = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

  it('sends the same transaction again while it can land, and a new one when it cannot any more', async () => {
    chain.toRound(2)
    chain.k2.hold()
    const wires = new Set<string>()
    let sent = 0
    let swallowed = true
    const k2: K2Client = {
      ...client,
      async broadcast(wire) {
        sent++
        wires.add(Buffer.from(wire).toString('hex'))
        return swallowed ? { accepted: ['somewhere'], refused: [] } : client.broadcast(wire)
      }
    }
    await make({ k2 }).cast(ballot(0))
    await eventually('three sends', () => (sent >= 3 ? true : undefined))
    expect(wires.size, 'one blockhash is alive').to.equal(1)
    blocks(149)
    const before = sent
    await eventually('another send', () => (sent > before ? true : undefined))
    expect(wires.size, 'it is alive to the end').to.equal(1)
    blocks(5)
    await eventually('a fresh one', () => (wires.size === 2 ? true : undefined))
    swallowed = false
    await eventually('the vote', () => (chain.votes.length > 0 ? true : undefined))
    blocks(1)
    await outcome()
    expect(told).to.deep.equal(['voted 0 by us'])
    expect(chain.votes).to.have.length(1)
    expect(outbox.counters()).to.include({ signed: 2, landedTwice: 0 })
  })

  it('a killed process’s transaction is sent on by the next one, on the same blockhash', async () => {
    chain.toRound(2)
    chain.k2.hold()
    const wires = new Set<string>()
    const k2: K2Client = {
      ...client,
      async broadcast(wire) {
        wires.add(Buffer.from(wire).toString('hex'))
        return { accepted: ['somewhere'], refused: [] }
      }
    }
    await make({ k2 }).cast(ballot(0))
    await eventually('a send', () => (wires.size > 0 ? true : undefined))
    await outbox.stop()
    store.close()
    store = openStore({ dir })
    blocks(3)
    await make({
      k2: {
        ...client,
        broadcast(wire) {
          wires.add(Buffer.from(wire).toString('hex'))
          return client.broadcast(wire)
        }
      }
    }).resume()
    await eventually('the vote', () => (chain.votes.length > 0 ? true : undefined))
    blocks(1)
    await outcome()
    expect(wires.size).to.equal(1)
    expect(told).to.deep.equal(['voted 0 by us'])
  })

  it('on a fork that is rolled back: waits until it is final, and sends again when it is gone', async () => {
    client.close()
    client = open(1)
    chain.toRound(2)
    const fork = createFork()
    proxies[0]!.set({ fork })
    await make().cast(ballot(0))
    await eventually('the fork to have it', () => (fork.votes.size > 0 ? true : undefined))
    await eventually('the fork to be looked at', () => (proxies[0]!.counters().fork! > 4 ? true : undefined))
    expect(told, 'confirmed is not final').to.deep.equal([])
    const sent = outbox.counters().sent
    await paused(200)
    expect(outbox.counters().sent, 'nothing is sent while it is there').to.equal(sent)
    proxies[0]!.set({})
    await outcome()
    expect(told).to.deep.equal(['voted 0 by us'])
    expect(outbox.counters()).to.include({ rolledBack: 1, voted: 1 })
    expect(chain.votes).to.have.length(1)
  })

  it('twice in two transactions: counts once, and the second is counted as such', async () => {
    chain.toRound(2)
    const pair = chain.stakers[0]!
    const k2: K2Client = {
      ...client,
      // a blockhash that is thought dead and is not
      blockhashValid: async () => false,
      async broadcast(wire) {
        chain.k2.send(wire)
        return { accepted: [], refused: [] }
      },
      lastVote: async (wanted) =>
        outbox.counters().sent < 2 ? { value: undefined, slot: 0, sure: true, witnesses: 1, of: 1 } : client.lastVote(wanted)
    }
    await make({ k2, pair }).cast(ballot(0))
    await outcome()
    expect(told).to.deep.equal(['voted 0 by us'])
    expect(chain.votes).to.have.length(1)
    expect(outbox.counters()).to.include({ signed: 2, landedTwice: 1 })
  })

  it('one of three lies about this vote: it is not believed, whatever it says', async () => {
    const lies = ['landed', 'other record', 'never landed', 'unpayable', 'already voted', 'slot', 'blockhash'] as const
    let handedOver = 0
    make({ handOver: () => void handedOver++ })
    for (const [cycle, lie] of lies.entries()) {
      chain.toRound(cycle + 2)
      proxies[cycle % 3]!.set({ lies: [lie] })
      told = []
      await outbox.cast(ballot(cycle))
      await outcome()
      expect(told, lie).to.deep.equal([`voted ${cycle} by us`])
      expect(
        chain.votes.map((vote) => vote.cycle),
        lie
      ).to.deep.equal(Array.from({ length: cycle + 1 }, (_, i) => i))
      proxies[cycle % 3]!.set({})
    }
    expect(handedOver).to.equal(0)
    expect(client.endpoints().reduce((sum, { contradictions }) => sum + contradictions, 0)).to.be.at.least(1)
  })

  it('two of three are away and the third says that it has landed: that is not enough', async () => {
    chain.toRound(2)
    await client.genesisHash()
    proxies[0]!.set({ lies: ['landed'] })
    proxies[1]!.set({ down: true })
    proxies[2]!.set({ dropRequest: 1 })
    await make().cast(ballot(0))
    await paused(1500)
    expect(told).to.deep.equal([])
    proxies[1]!.set({})
    proxies[2]!.set({})
    await outcome()
    expect(told).to.deep.equal(['voted 0 by us'])
    expect(chain.votes).to.have.length(1)
  })

  it('one is honest, one lies, one is away: it lands, and is believed when a second one says so', async () => {
    chain.toRound(2)
    await client.genesisHash()
    proxies[2]!.set({ down: true })
    for (const [cycle, lie] of (['landed', 'slot', 'blockhash', 'other record', 'already voted'] as const).entries()) {
      chain.toRound(cycle + 2)
      told = []
      proxies[0]!.set({ lies: [lie] })
      // the one who begins asks the liar first
      await make().cast(ballot(cycle))
      await outbox.stop()
      await make().resume()
      await eventually(`the vote, in spite of "${lie}"`, () => (chain.votes.some((vote) => vote.cycle === cycle) ? true : undefined))
      proxies[0]!.set({})
      await outcome()
      expect(told, lie).to.deep.equal([`voted ${cycle} by us`])
      await outbox.stop()
    }
    expect(chain.votes).to.have.length(5)
  })

  it('a vote of this key for another record is told as what it is', async () => {
    chain.toRound(2)
    const [pair] = chain.stakers
    const other = voteInstruction({ task: chain.task, stakingKey: pair!.address, ...ballot(0, 9) })
    await chain.client.send([other], [signerOf(pair!)])
    await make().cast(ballot(0))
    await outcome()
    expect(told[0]).to.match(/^lost 0: K2 has a vote of this key for another record, 0a0a.*second node/)
    expect(chain.votes).to.have.length(1)
  })

  describe('with no lamports for the fee', () => {
    let poor: KeyPair
    let handed: FinalVote[]
    beforeEach(async () => {
      poor = generateKeyPair()
      handed = []
      await chain.stake(poor, 10n * KOII)
    })
    /** Someone else pays. */
    const batch = (vote: FinalVote) =>
      chain.client.send(
        [voteInstruction({ task: chain.task, stakingKey: poor.address, ...vote })],
        [signerOf(chain.wallet), signerOf(poor)]
      )

    it('hands the vote over once, across restarts, and notices when it has landed', async () => {
      chain.toRound(2)
      const handOver = (vote: FinalVote) => void handed.push(vote)
      await make({ pair: poor, handOver }).cast(ballot(0))
      await eventually('the vote in other hands', () => (handed.length > 0 ? true : undefined))
      expect(handed).to.deep.equal([ballot(0)])
      await eventually('another try', () => (outbox.counters().sent >= 3 ? true : undefined))
      await outbox.stop()
      store.close()
      store = openStore({ dir })
      await make({ pair: poor, handOver }).resume()
      await eventually('a try of the next process', () => (outbox.counters().sent >= 2 ? true : undefined))
      expect(handed).to.have.length(1)
      expect(told).to.deep.equal([])
      await batch(ballot(0))
      await outcome()
      expect(told).to.deep.equal(['voted 0 by others'])
      expect(await store.keyValue('outbox').list()).to.deep.equal([])
    })

    it('hands it over again when nobody took it, and sends it itself when money comes', async () => {
      chain.toRound(2)
      let tries = 0
      await make({
        pair: poor,
        handOver: async () => {
          tries++
          throw new Error('nobody there')
        }
      }).cast(ballot(0))
      await eventually('a second try', () => (tries >= 2 ? true : undefined))
      expect(outbox.counters().handedOver).to.equal(0)
      await chain.client.airdrop(poor.address, KOII)
      await outcome()
      expect(told).to.deep.equal(['voted 0 by us'])
    })

    it('and in nobody’s hands, it is lost when the window closes, with the reason', async () => {
      chain.toRound(2)
      await make({ pair: poor }).cast(ballot(0))
      await eventually('a try', () => (outbox.counters().sent >= 1 ? true : undefined))
      await paused(100)
      chain.toRound(3)
      await outcome()
      expect(told[0]).to.match(/^lost 0: .*not enough KOII to pay/)
    })
  })
})
