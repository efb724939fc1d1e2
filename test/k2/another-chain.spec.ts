import { connect, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'chai'
import { createK2Client, type K2Client } from '../../src/k2/index.ts'
import { createLocalK2, type LocalK2 } from '../../src/local-k2/index.ts'
import { randomFrom } from '../sim/random.ts'
import { type Chain, eventually, failureOf, startChain } from './chain.ts'
import { type FaultProxy, otherGenesisHash, startFaultProxy } from './fault-proxy.ts'

const LIMITS = { firstPauseMs: 20, longestPauseMs: 200, doubtPauseMs: 50 }

describe('k2: another chain at the same URL', () => {
  let chain: Chain
  let proxy: FaultProxy
  let client: K2Client
  let told: string[]
  before(async () => {
    chain = await startChain({ stakers: 1 })
  })
  after(() => chain.close())
  beforeEach(async () => {
    proxy = await startFaultProxy({ target: chain.k2.url, random: randomFrom(1) })
    await watch(proxy.url)
  })
  afterEach(async () => {
    client.close()
    await proxy.close()
  })
  const watch = async (url: string) => {
    client?.close()
    client = createK2Client({ url, limits: LIMITS })
    await client.genesisHash()
    told = []
    client.watchNetwork((reason) => told.push(reason))
  }
  const notice = async () => {
    await eventually('the notice', () => told[0])
    expect(told).to.have.length(1)
    expect(told[0]).to.match(/another network now: its genesis hash is \w+, and this process began with \w+/)
  }
  /** Hears slots until there were so many. */
  const slots = async (count: number) => {
    let heard = 0
    const leave = client.slotSources[0]!.onSlot(() => heard++)
    await eventually('slots', () => (heard >= count ? true : undefined))
    return leave
  }

  it('costs no question while all is well', async () => {
    const leave = await slots(1)
    await eventually('the look at the first connection', () => (proxy.requests().getGenesisHash === 2 ? true : undefined))
    for (let i = 0; i < 5; i++) {
      await client.task(chain.task)
      await client.lastVote({ task: chain.task, staker: chain.stakers[0]!.address, commitment: 'finalized' })
      await client.stakes(chain.task)
    }
    ;(await slots(20))()
    leave()
    expect(proxy.requests().getGenesisHash).to.equal(2)
    expect(told).to.deep.equal([])
  })

  it('is noticed when the WebSocket is dialled again, at whatever slot', async () => {
    await slots(1)
    proxy.set({ genesisHash: otherGenesisHash() })
    proxy.cutWebSockets()
    await notice()
  })

  it('is noticed by a slot that leaps', async () => {
    await client.slotSources[0]!.slot()
    proxy.set({ genesisHash: otherGenesisHash(), lies: ['slot'] })
    await client.slotSources[0]!.slot()
    await notice()
  })

  it('is noticed without a WebSocket, at about the same slot, where only slots are asked for', async () => {
    proxy.set({ genesisHash: otherGenesisHash() })
    for (let i = 0; i < 5; i++) {
      await client.slotSources[0]!.slot()
    }
    await notice()
  })

  it('is noticed when K2 was away as it was to be asked', async () => {
    proxy.set({ down: true })
    client.doubtNetwork()
    await eventually('a question in vain', () => (proxy.counters().down ? true : undefined))
    proxy.set({ genesisHash: otherGenesisHash() })
    await notice()
  })

  describe('that holds nothing of what was there', () => {
    let other: LocalK2
    let gate: Server
    let targets: number[]
    const open = new Set<Socket>()
    beforeEach(async () => {
      other = await createLocalK2({ port: 0, slotMs: 20 })
      await other.start()
      other.warpTo(chain.k2.slot() + 20)
      targets = [portOf(chain.k2.url)]
      let turn = 0
      gate = createServer((near) => {
        const far = connect(targets[turn++ % targets.length]!, new URL(chain.k2.url).hostname)
        near.pipe(far).pipe(near)
        for (const socket of [near, far]) {
          open.add(socket)
          socket.on('error', () => {})
          socket.on('close', () => {
            open.delete(socket)
            near.destroy()
            far.destroy()
          })
        }
      })
      await new Promise<void>((resolve) => gate.listen(0, '127.0.0.1', resolve))
      await watch(`http://127.0.0.1:${(gate.address() as { port: number }).port}`)
      await client.task(chain.task)
      expect(await client.stake(chain.task, chain.stakers[0]!.address)).to.not.equal(undefined)
    })
    afterEach(async () => {
      client.close()
      gate.close()
      cut()
      await other.stop()
    })
    const cut = () => {
      for (const socket of open) {
        socket.destroy()
      }
    }
    const lead = (...to: LocalK2[]) => {
      targets = to.map(({ url }) => portOf(url))
      cut()
    }

    it('is noticed by a task that is gone', async () => {
      lead(other)
      // a request may be under way over a connection that is cut
      await eventually('the loss', async () =>
        /there is no task/.test((await failureOf(client.task(chain.task))).message) ? true : undefined
      )
      await notice()
    })

    it('is noticed by a stake that is gone', async () => {
      lead(other)
      const gone = () =>
        client.stake(chain.task, chain.stakers[0]!.address).then(
          (stake) => stake == null,
          () => false
        )
      await eventually('the loss', async () => ((await gone()) ? true : undefined))
      await notice()
    })

    it('is noticed where the URL leads now here and now there', async () => {
      lead(other, chain.k2)
      await eventually('the notice', async () => {
        cut()
        await client.task(chain.task).catch(() => {})
        return told[0]
      })
      await notice()
    })
  })
})

function portOf(url: string): number {
  return Number(new URL(url).port)
}
