/** How a node is known to the others: what it could not say is said when it can. */
import { expect } from 'chai'
import { createMeeting } from '../../src/node/meeting.ts'
import type { Message } from '../../src/wire/index.ts'
import { silent } from '../k2/waits.ts'

describe('node: meeting', () => {
  function meeting({ staked = true, renew }: { staked?: boolean; renew?: (force?: boolean) => Promise<Message | undefined> } = {}) {
    const sent: string[] = []
    const tools = {
      fails: false,
      staked,
      /** What is signed next. */
      next: undefined as string | undefined,
      stakers: 1,
      hints: [] as Array<{ address: string }>
    }
    const greetings: string[] = []
    const hastened: string[] = []
    const one = createMeeting({
      self: 'us',
      stakes: { isStaked: () => tools.staked, accounts: () => Array.from({ length: tools.stakers }) } as never,
      peers: { refresh: () => {} },
      hello: { greetAll: async () => void greetings.push('all'), judgeAgain: () => {} } as never,
      announcer: {
        renew:
          renew ??
          (async () => {
            const id = tools.next
            tools.next = undefined
            return id == null ? undefined : ({ id } as Message)
          })
      },
      guard: { mayAnnounce: () => true, heardTwin: (peerId) => void sent.push(`twin ${peerId}`) },
      hints: () => tools.hints,
      send: async ({ id }) => {
        if (tools.fails) {
          throw new Error('the disk is full')
        }
        sent.push(id)
      },
      onNewHint: () => hastened.push('now'),
      log: silent
    })
    return { one, tools, sent, greetings, hastened }
  }
  const soon = () => new Promise((resolve) => setImmediate(resolve))

  it('says what it could not send, with the next look and once', async () => {
    const { one, tools, sent } = meeting()
    tools.next = 'first'
    tools.fails = true
    await one.announce(true)
    await one.announce()
    expect(sent).to.deep.equal([])
    tools.fails = false
    await one.announce()
    await one.announce()
    expect(sent).to.deep.equal(['first'])
    // a newer one takes the place of what was not sent
    tools.next = 'second'
    tools.fails = true
    await one.announce()
    tools.next = 'third'
    tools.fails = false
    await one.announce()
    await one.announce()
    expect(sent).to.deep.equal(['first', 'third'])
  })

  it('has one at a time wait for who signs, however often it is due, and one more where that was wanted at once', async () => {
    const signing = Promise.withResolvers<void>()
    const forced: Array<boolean | undefined> = []
    const slow = meeting({
      renew: async (force) => {
        forced.push(force)
        await signing.promise
        return undefined
      }
    })
    const all = [slow.one.announce(), ...Array.from({ length: 500 }, () => slow.one.announce()), slow.one.announce(true)]
    await soon()
    expect(forced).to.deep.equal([false])
    signing.resolve()
    await Promise.all(all)
    expect(forced).to.deep.equal([false, true])
  })

  it('says nothing without stake', async () => {
    const { one, tools, sent, greetings } = meeting({ staked: false })
    tools.next = 'first'
    await one.announce(true)
    expect([sent, greetings]).to.deep.equal([[], []])
  })

  it('greets again when a stranger may have become a staker, and looks for who is at a new address', async () => {
    const { one, tools, greetings, hastened } = meeting()
    one.onStakes()
    await soon()
    expect([one.hasStrangers(), greetings, hastened]).to.deep.equal([false, [], []])
    one.onHello({ fault: 'unstaked', peerId: 'p' } as never)
    expect(one.hasStrangers()).to.equal(true)
    tools.stakers = 2
    tools.hints = [{ address: '/ip4/1.2.3.4/tcp/1' }]
    one.onStakes()
    one.onStakes()
    await soon()
    expect([one.hasStrangers(), greetings, hastened]).to.deep.equal([false, ['all'], ['now']])
  })

  it('tells of a peer that speaks for its stake', () => {
    const { one, sent } = meeting()
    one.onHello({ peerId: 'twin', staker: 'us', admitted: true } as never)
    expect(sent).to.deep.equal(['twin twin'])
  })
})
