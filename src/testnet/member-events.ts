/** What nodes say of themselves, as the testnet knows it and as the table shows it. */
import type { NodeEvent } from '../observe/index.ts'
import { type Member, nameOf } from './member.ts'
import type { News } from './news.ts'
import { stateOf } from './states.ts'

export interface MemberEventsInit {
  members: readonly Member[]
  news: News
  /** A node can be reached, for the first time: its `hint` says where. */
  onListening: (member: Member) => void
  /** A node has found peers or has the task. */
  onProgress: () => void
}

/** Takes what a node says. */
export function createMemberEvents({ members, news, onListening, onProgress }: MemberEventsInit) {
  let lastAbstained = ''

  return function onNodeEvent(member: Member, event: NodeEvent): void {
    const { row } = member
    news.pass({ ...event, name: member.name })
    const cycle = event.cycle ?? 0
    switch (event.event) {
      case 'listening': {
        member.listens = true
        const hint = event.multiaddrs[0]
        if (hint != null && !member.staked) {
          member.hint = hint
          member.staked = true
          onListening(member)
        } else {
          member.hint = hint ?? member.hint
        }
        break
      }
      case 'peer':
      case 'peer-left':
        row.peers = event.staked
        onProgress()
        break
      case 'task':
        Object.assign(member, { hasTask: true, failed: false })
        onProgress()
        break
      case 'task-failed':
        member.failed = true
        news.say(`${member.name}: ${event.reason}`)
        break
      case 'work-started':
        row.work = `cycle ${cycle}`
        break
      case 'submitted':
        row.submitted = `cycle ${cycle}`
        break
      case 'missed':
        row.submitted = `missed ${cycle}`
        news.say(`${member.name} missed cycle ${cycle}: ${event.reason}`)
        break
      case 'audited':
        row.audits = `cycle ${cycle}: ${event.finding}`
        // one bug of the task shows at every node, in each of its audits
        if (event.finding === 'abstained' && lastAbstained !== `${cycle} ${event.reason}`) {
          lastAbstained = `${cycle} ${event.reason}`
          news.say(`${member.name} abstained in cycle ${cycle}: ${event.reason}`)
        }
        break
      case 'challenged':
        if (event.by === member.pair.address) {
          row.challenged = `cycle ${cycle}: ${nameOf(members, event.subject)}`
          news.say(`${member.name} challenges ${nameOf(members, event.subject)}, cycle ${cycle}: ${event.finding}`)
        }
        break
      case 'voted':
        member.told.add(cycle)
        row.voted = `cycle ${cycle}`
        break
      case 'vote-lost':
        member.told.add(cycle)
        row.voted = `lost ${cycle}`
        news.say(`${member.name} lost its vote for cycle ${cycle}: ${event.reason}`)
        break
      case 'settled':
        member.records.set(cycle, event.record)
        row.rewards = BigInt(event.total)
        break
      case 'stats':
        member.stats = event
        break
      case 'unhandled':
        member.crashed ??= `unhandled: ${event.reason}`
        break
    }
    row.state = member.failed ? 'no task' : stateOf({ ...member, peers: row.peers })
  }
}
