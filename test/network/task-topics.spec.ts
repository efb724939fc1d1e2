import { expect } from 'chai'
import { createMessageIds, type PeerChange } from '../../src/network/index.ts'
import { createTaskTopics } from '../../src/network/task-topics.ts'
import { keyOf } from './mesh.ts'

const topicAt = (at: number) => `/koii-mesh/1/${keyOf(`task ${at}`).address}`
const OURS = topicAt(0)
const LATER = topicAt(1)

/** The topics of a node whose router writes down what it hears. */
function setUp() {
  const admitted = new Set<string>()
  const listeners = new Set<(change: PeerChange) => void>()
  const peers = {
    isStaked: (id: string) => admitted.has(id),
    staked: () => [...admitted].map((peerId) => ({ peerId, staker: 's' })),
    onChange(listener: (change: PeerChange) => void) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    }
  }
  const topics = createTaskTopics({ ids: createMessageIds(), isLetIn: () => true })
  const heard: string[] = []
  const bob = { toString: () => 'bob' } as never
  const allowed = new Set<string>()
  topics.attach({ peers: new Map([['bob', bob]]), allowedTopics: allowed }, (peer, { subscriptions = [] }) =>
    heard.push(...subscriptions.map(({ topic, subscribe }) => `${peer} ${subscribe} ${topic}`))
  )
  const admit = (admit: boolean) => {
    admit ? admitted.add('bob') : admitted.delete('bob')
    for (const listener of listeners) {
      listener({ peerId: 'bob', staker: 's', admitted: admit })
    }
  }
  const says = (topic: string, subscribe = true) =>
    topics.heard('bob', { subscriptions: [{ topic, subscribe }], messages: [] }).subscriptions
  return { topics, peers, admit, heard, says, listeners, allowed }
}

describe('network: topics of tasks', () => {
  it('keeps what a peer says once until it may say it, and what it takes back no longer', () => {
    const { topics, peers, admit, heard, says } = setUp()
    topics.join(OURS, peers)
    expect(says(OURS)).to.deep.equal([])
    admit(true)
    expect(heard).to.deep.equal([`bob true ${OURS}`])
    expect(says(OURS)).to.deep.equal([{ topic: OURS, subscribe: true }])
    admit(false)
    says(OURS, false)
    admit(true)
    expect(heard).to.have.length(1)
  })

  it('forgets it with the stream', () => {
    const { topics, peers, admit, heard, says } = setUp()
    topics.join(OURS, peers)
    says(OURS)
    topics.forget('bob')
    admit(true)
    expect(heard).to.deep.equal([])
  })

  it('keeps it of tasks that come later: as many as a node has, and nothing that is no task', () => {
    const { topics, peers, admit, heard, says } = setUp()
    admit(true)
    says('/koii-mesh/1/0OIl')
    says('something else')
    for (let at = 1; at <= 40; at++) {
      says(topicAt(at))
    }
    // one of ours has its place, however much else it says
    topics.join(OURS, peers)
    says(OURS)
    const first = topics.join(LATER, peers)
    expect(heard).to.deep.equal([`bob true ${LATER}`])
    topics.join(topicAt(40), peers)
    topics.join('/koii-mesh/1/0OIl', peers)
    expect(heard).to.have.length(1)
    first.leave()
    expect(says(LATER)).to.deep.equal([])
    expect(topics.bytes().map(String)).to.not.include(LATER)
    topics.join(LATER, peers)
    expect(heard.slice(1)).to.deep.equal([`bob true ${LATER}`])
  })

  it('listens to nobody once a task is left', () => {
    const { topics, peers, listeners, allowed } = setUp()
    const { leave } = topics.join(OURS, peers)
    expect([listeners.size, [...allowed]]).to.deep.equal([1, [OURS]])
    leave()
    leave()
    expect([listeners.size, topics.bytes(), allowed.size]).to.deep.equal([0, [], 0])
  })
})
