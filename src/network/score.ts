import type { PeerScoreParams, PeerScoreThresholds, TopicScoreParams } from '@libp2p/gossipsub/score'
import type { Roster } from './roster.ts'

/** The last line behind the gated registrar: should a peer without stake ever be a gossip peer, it stays out of every mesh. */
const UNSTAKED_SCORE = -1_000

/** Scores of one topic. Spec: protocols/gossip/README.md, "Scoring". */
export const TOPIC_SCORE: TopicScoreParams = {
  topicWeight: 1,
  // time in the mesh earns at most 3 points in five minutes: a little credit for an occasional disagreement, not a licence
  timeInMeshWeight: 0.01,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 300,
  // being first with news earns at most 5 points
  firstMessageDeliveriesWeight: 0.5,
  firstMessageDeliveriesDecay: 0.9,
  firstMessageDeliveriesCap: 10,
  // off: a cycle has quiet stages, and a rule on delivery rates would punish everybody for them
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 60_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  // three rejected messages in a row are out of the mesh (-9 + 8), eight are not listened to for a while
  invalidMessageDeliveriesWeight: -1,
  invalidMessageDeliveriesDecay: 0.9
}

export const SCORE_THRESHOLDS: PeerScoreThresholds = {
  gossipThreshold: -10,
  publishThreshold: -30,
  graylistThreshold: -60,
  // peer exchange is off: discovery has signed announcements
  acceptPXThreshold: 1_000,
  opportunisticGraftThreshold: 1
}

/** The topics come with their tasks, see task-topics.ts. */
export function scoreParams(peers: Pick<Roster, 'isStaked'>): Partial<PeerScoreParams> {
  return {
    topics: {},
    topicScoreCap: 8,
    appSpecificScore: (peerId) => (peers.isStaked(peerId) ? 0 : UNSTAKED_SCORE),
    appSpecificWeight: 1,
    // many stakers may share an address (a farm, a carrier's NAT, one test machine); the unstaked are counted by the gater
    IPColocationFactorWeight: 0,
    // a few broken promises come with every stalled event loop
    behaviourPenaltyWeight: -5,
    behaviourPenaltyThreshold: 6,
    behaviourPenaltyDecay: 0.9,
    retainScore: 10 * 60 * 1_000
  }
}
