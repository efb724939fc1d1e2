import { messageOf, type StakeView } from '../k2/index.ts'
import type { Announcer, Hello, HelloOutcome, Peers } from '../network/index.ts'
import type { Logger } from '../observe/index.ts'
import type { KeyGuard } from '../participant/index.ts'
import type { Message } from '../wire/index.ts'

export interface MeetingInit {
  /** Our staking key. */
  self: string
  stakes: Pick<StakeView, 'isStaked' | 'accounts'>
  peers: Pick<Peers, 'refresh'>
  hello: Pick<Hello, 'greetAll' | 'judgeAgain'>
  announcer: Pick<Announcer, 'renew'>
  guard: Pick<KeyGuard, 'mayAnnounce' | 'heardTwin'>
  /** Where stakers say on K2 that they are. */
  hints: () => ReadonlyArray<{ address: string }>
  send: (message: Message) => Promise<unknown>
  /** Someone is at a new address: it is looked for at once. */
  onNewHint: () => void
  log: Logger
}

/** How a node is known to the others, and they to it, as stakes come and go. */
export interface Meeting {
  /** Tells the others who we are and where, once we have stake, and again when that changes or runs out. Never throws. */
  announce(force?: boolean): Promise<void>
  /** What was said long ago has run out: everybody says it again. */
  again(): void
  onHello(outcome: HelloOutcome): void
  /** New stakers are let in as soon as K2 shows them: who said hello too early says it again. */
  onStakes(): void
  /** Someone says that it has stake, and K2 did not say so when we read it last: its stake may be new. */
  hasStrangers(): boolean
}

export function createMeeting({ self, stakes, peers, hello, announcer, guard, hints, send, onNewHint, log }: MeetingInit): Meeting {
  let strangers = false
  /** What was signed, and could not be sent. */
  let unsent: Message | undefined
  let knownStakers = 0
  let knownHints = new Set<string>()

  /** What signs may be away for long: one waits for it, and the next says where we are by then. */
  let under: Promise<void> | undefined
  let isForced = false

  const announce = async (force = false): Promise<void> => {
    if (under != null) {
      isForced ||= force
      return under
    }
    under = say(force).finally(() => {
      under = undefined
    })
    await under
    if (isForced) {
      isForced = false
      return announce(true)
    }
  }

  const say = async (force: boolean): Promise<void> => {
    if (stakes.isStaked(self) !== true || !guard.mayAnnounce()) {
      return
    }
    try {
      const message = (await announcer.renew(force)) ?? unsent
      unsent = message
      if (message != null) {
        await hello.greetAll()
        await send(message)
        unsent = undefined
      }
    } catch (err) {
      log.warn({ reason: messageOf(err) }, 'could not announce ourselves')
    }
  }

  return {
    announce,
    again() {
      peers.refresh()
      void announce(true)
    },
    onHello(outcome) {
      if ('staker' in outcome && outcome.staker === self) {
        guard.heardTwin(outcome.peerId)
      }
      strangers ||= 'fault' in outcome && outcome.fault === 'unstaked'
    },
    onStakes() {
      peers.refresh()
      hello.judgeAgain()
      const stakers = stakes.accounts().length
      if (stakers > knownStakers && strangers) {
        strangers = false
        hello.greetAll().catch((err) => log.debug({ reason: messageOf(err) }, 'hello failed'))
      }
      knownStakers = stakers
      const addresses = new Set(hints().map(({ address }) => address))
      if ([...addresses].some((address) => !knownHints.has(address))) {
        onNewHint()
      }
      knownHints = addresses
      void announce()
    },
    hasStrangers: () => strangers
  }
}
