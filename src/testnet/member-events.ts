/** What nodes say of themselves, as the testnet knows it and as the table shows it. */
import type { NodeEvent } from '../observe/index.ts'
import { type Member, nameOf } from './member.ts'
import type { News } from './news.ts'
import type { Seat } from './seat.ts'
import { stateOf } from './states.ts'
import { runOf, seatsOf, type TaskRun } from './task-run.ts'

export interface MemberEventsInit {
  members: readonly Member[]
  runs: readonly TaskRun[]
  news: News
  /** A node can be reached, for the first time: its `hint` says where. */
  onListening: (member: Member) => void
  /** A node has found peers or has the code of a task. */
  onProgress: () => void
}

/** Why a node of several tasks goes on without this one; null where an event tells something else. */
function givenUp(event: object): string | null {
  const { event: name, reason } = event as { event?: unknown; reason?: unknown }
  return name === 'task-stopped' ? String(reason) : null
}

/** Takes what a node says. */
export function createMemberEvents({ members, runs, news, onListening, onProgress }: MemberEventsInit) {
  const lastAbstained = new Map<TaskRun, string>()

  return function onNodeEvent(member: Member, event: NodeEvent): void {
    news.pass({ ...event, name: member.name })
    onOwnEvent(member, event)
    const run = runOf(runs, event)
    const seat = run?.seats.find((one) => one.member === member)
    if (run != null && seat != null) {
      onTaskEvent(run, seat, event)
    }
    for (const { row, failed, hasTask } of seatsOf(runs, member)) {
      row.state = failed ? 'no task' : stateOf({ listens: member.listens, hasTask, peers: row.peers })
    }
  }

  /** What is about the node. */
  function onOwnEvent(member: Member, event: NodeEvent): void {
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
      case 'stats': {
        const { task } = event as { task?: string | null }
        // the newest last
        member.stats.delete(task ?? null)
        member.stats.set(task ?? null, event)
        break
      }
      case 'unhandled':
        member.crashed ??= `unhandled: ${event.reason}`
        break
    }
  }

  /** What is about one of its tasks. */
  function onTaskEvent(run: TaskRun, seat: Seat, event: NodeEvent): void {
    const { member, row } = seat
    const say = (text: string) => news.say(run.about(text))
    const cycle = event.cycle ?? 0
    const reason = givenUp(event)
    if (reason != null) {
      seat.failed = true
      seat.ended ??= `gave the task up: ${reason}`
      say(`${member.name} gave the task up: ${reason}`)
      return
    }
    switch (event.event) {
      case 'peer':
      case 'peer-left':
        row.peers = event.staked
        onProgress()
        break
      case 'task':
        Object.assign(seat, { hasTask: true, failed: false })
        onProgress()
        break
      case 'task-failed':
        seat.failed = true
        say(`${member.name}: ${event.reason}`)
        break
      case 'work-started':
        row.work = `cycle ${cycle}`
        break
      case 'submitted':
        row.submitted = `cycle ${cycle}`
        break
      case 'missed':
        row.submitted = `missed ${cycle}`
        say(`${member.name} missed cycle ${cycle}: ${event.reason}`)
        break
      case 'audited':
        row.audits = `cycle ${cycle}: ${event.finding}`
        // one bug of the task shows at every node, in each of its audits
        if (event.finding === 'abstained' && lastAbstained.get(run) !== `${cycle} ${event.reason}`) {
          lastAbstained.set(run, `${cycle} ${event.reason}`)
          say(`${member.name} abstained in cycle ${cycle}: ${event.reason}`)
        }
        break
      case 'challenged':
        if (event.by === member.pair.address) {
          row.challenged = `cycle ${cycle}: ${nameOf(members, event.subject)}`
          say(`${member.name} challenges ${nameOf(members, event.subject)}, cycle ${cycle}: ${event.finding}`)
        }
        break
      case 'voted':
        seat.told.add(cycle)
        row.voted = `cycle ${cycle}`
        break
      case 'vote-lost':
        seat.told.add(cycle)
        row.voted = `lost ${cycle}`
        say(`${member.name} lost its vote for cycle ${cycle}: ${event.reason}`)
        break
      case 'settled':
        seat.records.set(cycle, event.record)
        row.rewards = BigInt(event.total)
        break
    }
  }
}
