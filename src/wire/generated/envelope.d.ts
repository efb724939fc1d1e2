// Generated from the .proto of the same name by `npm run generate`: do not edit.
import type { Codec, DecodeOptions } from '../protobuf.ts';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface Envelope {
    body: Uint8Array<ArrayBuffer>;
    signer: Uint8Array<ArrayBuffer>;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace Envelope {
    const codec: () => Codec<Envelope>;
    interface EnvelopeBodyFieldEvent {
        field: '$.body';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EnvelopeSignerFieldEvent {
        field: '$.signer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EnvelopeSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<Envelope>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Envelope>): Envelope;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Envelope>): Generator<EnvelopeBodyFieldEvent | EnvelopeSignerFieldEvent | EnvelopeSignatureFieldEvent>;
}
export interface Body {
    cycle: number;
    slot: number;
    announcement?: Announcement;
    submission?: Submission;
    challenge?: Challenge;
    response?: Response;
    record?: Record;
    approval?: Approval;
    vote?: Vote;
    equivocation?: Equivocation;
    verdicts?: Verdicts;
}
export declare namespace Body {
    const codec: () => Codec<Body>;
    interface BodyCycleFieldEvent {
        field: '$.cycle';
        value: number;
    }
    interface BodySlotFieldEvent {
        field: '$.slot';
        value: number;
    }
    interface BodyAnnouncementPeerIdFieldEvent {
        field: '$.announcement.peerId';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyAnnouncementMultiaddrsFieldEvent {
        field: '$.announcement.multiaddrs[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyAnnouncementSequenceFieldEvent {
        field: '$.announcement.sequence';
        value: number;
    }
    interface BodyAnnouncementExpirySlotFieldEvent {
        field: '$.announcement.expirySlot';
        value: number;
    }
    interface BodySubmissionValueFieldEvent {
        field: '$.submission.value';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodySubmissionProofsCidFieldEvent {
        field: '$.submission.proofs[].cid';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface BodySubmissionProofsSizeFieldEvent {
        field: '$.submission.proofs[].size';
        value: number;
        index: number;
    }
    interface BodySubmissionProofsBlocksFieldEvent {
        field: '$.submission.proofs[].blocks';
        value: number;
        index: number;
    }
    interface BodyChallengeSubjectFieldEvent {
        field: '$.challenge.subject';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyChallengeSubmissionFieldEvent {
        field: '$.challenge.submission';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyChallengeFindingFieldEvent {
        field: '$.challenge.finding';
        value: number;
    }
    interface BodyChallengeReasonFieldEvent {
        field: '$.challenge.reason';
        value: string;
    }
    interface BodyResponseSubmissionFieldEvent {
        field: '$.response.submission';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyRecordCidFieldEvent {
        field: '$.record.cid';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyRecordRootFieldEvent {
        field: '$.record.root';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyRecordTotalRewardsFieldEvent {
        field: '$.record.totalRewards';
        value: bigint;
    }
    interface BodyRecordAttemptFieldEvent {
        field: '$.record.attempt';
        value: number;
    }
    interface BodyApprovalCidFieldEvent {
        field: '$.approval.cid';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyApprovalRootFieldEvent {
        field: '$.approval.root';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyApprovalAttemptFieldEvent {
        field: '$.approval.attempt';
        value: number;
    }
    interface BodyVoteRootFieldEvent {
        field: '$.vote.root';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyVoteRecordDigestFieldEvent {
        field: '$.vote.recordDigest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyVoteTotalRewardsFieldEvent {
        field: '$.vote.totalRewards';
        value: bigint;
    }
    interface BodyVoteSignatureFieldEvent {
        field: '$.vote.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyEquivocationFirstBodyFieldEvent {
        field: '$.equivocation.first.body';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyEquivocationFirstSignerFieldEvent {
        field: '$.equivocation.first.signer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyEquivocationFirstSignatureFieldEvent {
        field: '$.equivocation.first.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyEquivocationSecondBodyFieldEvent {
        field: '$.equivocation.second.body';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyEquivocationSecondSignerFieldEvent {
        field: '$.equivocation.second.signer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyEquivocationSecondSignatureFieldEvent {
        field: '$.equivocation.second.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface BodyVerdictsFindingsPlaceFieldEvent {
        field: '$.verdicts.findings[].place';
        value: number;
        index: number;
    }
    interface BodyVerdictsFindingsFindingFieldEvent {
        field: '$.verdicts.findings[].finding';
        value: number;
        index: number;
    }
    function encode(obj: Partial<Body>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Body>): Body;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Body>): Generator<BodyCycleFieldEvent | BodySlotFieldEvent | BodyAnnouncementPeerIdFieldEvent | BodyAnnouncementMultiaddrsFieldEvent | BodyAnnouncementSequenceFieldEvent | BodyAnnouncementExpirySlotFieldEvent | BodySubmissionValueFieldEvent | BodySubmissionProofsCidFieldEvent | BodySubmissionProofsSizeFieldEvent | BodySubmissionProofsBlocksFieldEvent | BodyChallengeSubjectFieldEvent | BodyChallengeSubmissionFieldEvent | BodyChallengeFindingFieldEvent | BodyChallengeReasonFieldEvent | BodyResponseSubmissionFieldEvent | BodyRecordCidFieldEvent | BodyRecordRootFieldEvent | BodyRecordTotalRewardsFieldEvent | BodyRecordAttemptFieldEvent | BodyApprovalCidFieldEvent | BodyApprovalRootFieldEvent | BodyApprovalAttemptFieldEvent | BodyVoteRootFieldEvent | BodyVoteRecordDigestFieldEvent | BodyVoteTotalRewardsFieldEvent | BodyVoteSignatureFieldEvent | BodyEquivocationFirstBodyFieldEvent | BodyEquivocationFirstSignerFieldEvent | BodyEquivocationFirstSignatureFieldEvent | BodyEquivocationSecondBodyFieldEvent | BodyEquivocationSecondSignerFieldEvent | BodyEquivocationSecondSignatureFieldEvent | BodyVerdictsFindingsPlaceFieldEvent | BodyVerdictsFindingsFindingFieldEvent>;
}
export interface Announcement {
    peerId: Uint8Array<ArrayBuffer>;
    multiaddrs: Uint8Array<ArrayBuffer>[];
    sequence: number;
    expirySlot: number;
}
export declare namespace Announcement {
    const codec: () => Codec<Announcement>;
    interface AnnouncementPeerIdFieldEvent {
        field: '$.peerId';
        value: Uint8Array<ArrayBuffer>;
    }
    interface AnnouncementMultiaddrsFieldEvent {
        field: '$.multiaddrs[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    interface AnnouncementSequenceFieldEvent {
        field: '$.sequence';
        value: number;
    }
    interface AnnouncementExpirySlotFieldEvent {
        field: '$.expirySlot';
        value: number;
    }
    function encode(obj: Partial<Announcement>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Announcement>): Announcement;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Announcement>): Generator<AnnouncementPeerIdFieldEvent | AnnouncementMultiaddrsFieldEvent | AnnouncementSequenceFieldEvent | AnnouncementExpirySlotFieldEvent>;
}
export interface Submission {
    value: Uint8Array<ArrayBuffer>;
    proofs: Proof[];
}
export declare namespace Submission {
    const codec: () => Codec<Submission>;
    interface SubmissionValueFieldEvent {
        field: '$.value';
        value: Uint8Array<ArrayBuffer>;
    }
    interface SubmissionProofsCidFieldEvent {
        field: '$.proofs[].cid';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface SubmissionProofsSizeFieldEvent {
        field: '$.proofs[].size';
        value: number;
        index: number;
    }
    interface SubmissionProofsBlocksFieldEvent {
        field: '$.proofs[].blocks';
        value: number;
        index: number;
    }
    function encode(obj: Partial<Submission>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Submission>): Submission;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Submission>): Generator<SubmissionValueFieldEvent | SubmissionProofsCidFieldEvent | SubmissionProofsSizeFieldEvent | SubmissionProofsBlocksFieldEvent>;
}
export interface Proof {
    cid: Uint8Array<ArrayBuffer>;
    size: number;
    blocks: number;
}
export declare namespace Proof {
    const codec: () => Codec<Proof>;
    interface ProofCidFieldEvent {
        field: '$.cid';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ProofSizeFieldEvent {
        field: '$.size';
        value: number;
    }
    interface ProofBlocksFieldEvent {
        field: '$.blocks';
        value: number;
    }
    function encode(obj: Partial<Proof>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Proof>): Proof;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Proof>): Generator<ProofCidFieldEvent | ProofSizeFieldEvent | ProofBlocksFieldEvent>;
}
export interface Challenge {
    subject: Uint8Array<ArrayBuffer>;
    submission: Uint8Array<ArrayBuffer>;
    finding: number;
    reason: string;
}
export declare namespace Challenge {
    const codec: () => Codec<Challenge>;
    interface ChallengeSubjectFieldEvent {
        field: '$.subject';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ChallengeSubmissionFieldEvent {
        field: '$.submission';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ChallengeFindingFieldEvent {
        field: '$.finding';
        value: number;
    }
    interface ChallengeReasonFieldEvent {
        field: '$.reason';
        value: string;
    }
    function encode(obj: Partial<Challenge>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Challenge>): Challenge;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Challenge>): Generator<ChallengeSubjectFieldEvent | ChallengeSubmissionFieldEvent | ChallengeFindingFieldEvent | ChallengeReasonFieldEvent>;
}
export interface Response {
    submission: Uint8Array<ArrayBuffer>;
}
export declare namespace Response {
    const codec: () => Codec<Response>;
    interface ResponseSubmissionFieldEvent {
        field: '$.submission';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<Response>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Response>): Response;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Response>): Generator<ResponseSubmissionFieldEvent>;
}
export interface Verdicts {
    findings: Finding[];
}
export declare namespace Verdicts {
    const codec: () => Codec<Verdicts>;
    interface VerdictsFindingsPlaceFieldEvent {
        field: '$.findings[].place';
        value: number;
        index: number;
    }
    interface VerdictsFindingsFindingFieldEvent {
        field: '$.findings[].finding';
        value: number;
        index: number;
    }
    function encode(obj: Partial<Verdicts>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Verdicts>): Verdicts;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Verdicts>): Generator<VerdictsFindingsPlaceFieldEvent | VerdictsFindingsFindingFieldEvent>;
}
export interface Finding {
    place: number;
    finding: number;
}
export declare namespace Finding {
    const codec: () => Codec<Finding>;
    interface FindingPlaceFieldEvent {
        field: '$.place';
        value: number;
    }
    interface FindingFindingFieldEvent {
        field: '$.finding';
        value: number;
    }
    function encode(obj: Partial<Finding>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Finding>): Finding;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Finding>): Generator<FindingPlaceFieldEvent | FindingFindingFieldEvent>;
}
export interface Record {
    cid: Uint8Array<ArrayBuffer>;
    root: Uint8Array<ArrayBuffer>;
    totalRewards: bigint;
    attempt: number;
}
export declare namespace Record {
    const codec: () => Codec<Record>;
    interface RecordCidFieldEvent {
        field: '$.cid';
        value: Uint8Array<ArrayBuffer>;
    }
    interface RecordRootFieldEvent {
        field: '$.root';
        value: Uint8Array<ArrayBuffer>;
    }
    interface RecordTotalRewardsFieldEvent {
        field: '$.totalRewards';
        value: bigint;
    }
    interface RecordAttemptFieldEvent {
        field: '$.attempt';
        value: number;
    }
    function encode(obj: Partial<Record>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Record>): Record;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Record>): Generator<RecordCidFieldEvent | RecordRootFieldEvent | RecordTotalRewardsFieldEvent | RecordAttemptFieldEvent>;
}
export interface Approval {
    cid: Uint8Array<ArrayBuffer>;
    root: Uint8Array<ArrayBuffer>;
    attempt: number;
}
export declare namespace Approval {
    const codec: () => Codec<Approval>;
    interface ApprovalCidFieldEvent {
        field: '$.cid';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ApprovalRootFieldEvent {
        field: '$.root';
        value: Uint8Array<ArrayBuffer>;
    }
    interface ApprovalAttemptFieldEvent {
        field: '$.attempt';
        value: number;
    }
    function encode(obj: Partial<Approval>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Approval>): Approval;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Approval>): Generator<ApprovalCidFieldEvent | ApprovalRootFieldEvent | ApprovalAttemptFieldEvent>;
}
export interface Vote {
    root: Uint8Array<ArrayBuffer>;
    recordDigest: Uint8Array<ArrayBuffer>;
    totalRewards: bigint;
    signature: Uint8Array<ArrayBuffer>;
}
export declare namespace Vote {
    const codec: () => Codec<Vote>;
    interface VoteRootFieldEvent {
        field: '$.root';
        value: Uint8Array<ArrayBuffer>;
    }
    interface VoteRecordDigestFieldEvent {
        field: '$.recordDigest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface VoteTotalRewardsFieldEvent {
        field: '$.totalRewards';
        value: bigint;
    }
    interface VoteSignatureFieldEvent {
        field: '$.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<Vote>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Vote>): Vote;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Vote>): Generator<VoteRootFieldEvent | VoteRecordDigestFieldEvent | VoteTotalRewardsFieldEvent | VoteSignatureFieldEvent>;
}
export interface Equivocation {
    first?: Envelope;
    second?: Envelope;
}
export declare namespace Equivocation {
    const codec: () => Codec<Equivocation>;
    interface EquivocationFirstBodyFieldEvent {
        field: '$.first.body';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EquivocationFirstSignerFieldEvent {
        field: '$.first.signer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EquivocationFirstSignatureFieldEvent {
        field: '$.first.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EquivocationSecondBodyFieldEvent {
        field: '$.second.body';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EquivocationSecondSignerFieldEvent {
        field: '$.second.signer';
        value: Uint8Array<ArrayBuffer>;
    }
    interface EquivocationSecondSignatureFieldEvent {
        field: '$.second.signature';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<Equivocation>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Equivocation>): Equivocation;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Equivocation>): Generator<EquivocationFirstBodyFieldEvent | EquivocationFirstSignerFieldEvent | EquivocationFirstSignatureFieldEvent | EquivocationSecondBodyFieldEvent | EquivocationSecondSignerFieldEvent | EquivocationSecondSignatureFieldEvent>;
}
