// Generated from the .proto of the same name by `npm run generate`: do not edit.
import type { Codec, DecodeOptions } from '../../wire/protobuf.ts';
import type { Uint8ArrayList } from 'uint8arraylist';
export interface Have {
    cycles: CycleDigest[];
}
export declare namespace Have {
    const codec: () => Codec<Have>;
    interface HaveCyclesCycleFieldEvent {
        field: '$.cycles[].cycle';
        value: number;
        index: number;
    }
    interface HaveCyclesDigestFieldEvent {
        field: '$.cycles[].digest';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    interface HaveCyclesCountFieldEvent {
        field: '$.cycles[].count';
        value: number;
        index: number;
    }
    function encode(obj: Partial<Have>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Have>): Have;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Have>): Generator<HaveCyclesCycleFieldEvent | HaveCyclesDigestFieldEvent | HaveCyclesCountFieldEvent>;
}
export interface CycleDigest {
    cycle: number;
    digest: Uint8Array<ArrayBuffer>;
    count: number;
}
export declare namespace CycleDigest {
    const codec: () => Codec<CycleDigest>;
    interface CycleDigestCycleFieldEvent {
        field: '$.cycle';
        value: number;
    }
    interface CycleDigestDigestFieldEvent {
        field: '$.digest';
        value: Uint8Array<ArrayBuffer>;
    }
    interface CycleDigestCountFieldEvent {
        field: '$.count';
        value: number;
    }
    function encode(obj: Partial<CycleDigest>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CycleDigest>): CycleDigest;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CycleDigest>): Generator<CycleDigestCycleFieldEvent | CycleDigestDigestFieldEvent | CycleDigestCountFieldEvent>;
}
export interface Ids {
    cycles: CycleIds[];
}
export declare namespace Ids {
    const codec: () => Codec<Ids>;
    interface IdsCyclesCycleFieldEvent {
        field: '$.cycles[].cycle';
        value: number;
        index: number;
    }
    interface IdsCyclesIdsFieldEvent {
        field: '$.cycles[].ids';
        value: Uint8Array<ArrayBuffer>;
        index: number;
    }
    function encode(obj: Partial<Ids>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ids>): Ids;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Ids>): Generator<IdsCyclesCycleFieldEvent | IdsCyclesIdsFieldEvent>;
}
export interface CycleIds {
    cycle: number;
    ids: Uint8Array<ArrayBuffer>;
}
export declare namespace CycleIds {
    const codec: () => Codec<CycleIds>;
    interface CycleIdsCycleFieldEvent {
        field: '$.cycle';
        value: number;
    }
    interface CycleIdsIdsFieldEvent {
        field: '$.ids';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<CycleIds>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CycleIds>): CycleIds;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CycleIds>): Generator<CycleIdsCycleFieldEvent | CycleIdsIdsFieldEvent>;
}
export interface Want {
    ids: Uint8Array<ArrayBuffer>;
}
export declare namespace Want {
    const codec: () => Codec<Want>;
    interface WantIdsFieldEvent {
        field: '$.ids';
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<Want>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Want>): Want;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Want>): Generator<WantIdsFieldEvent>;
}
export interface Envelopes {
    envelopes: Uint8Array<ArrayBuffer>[];
}
export declare namespace Envelopes {
    const codec: () => Codec<Envelopes>;
    interface EnvelopesEnvelopesFieldEvent {
        field: '$.envelopes[]';
        index: number;
        value: Uint8Array<ArrayBuffer>;
    }
    function encode(obj: Partial<Envelopes>): Uint8Array<ArrayBuffer>;
    function decode(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Envelopes>): Envelopes;
    function stream(buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Envelopes>): Generator<EnvelopesEnvelopesFieldEvent>;
}
