// Generated from the .proto of the same name by `npm run generate`: do not edit.
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from '../protobuf.ts';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var Envelope;
(function (Envelope) {
    let _codec;
    Envelope.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.body != null && obj.body.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.body);
                }
                if ((obj.signer != null && obj.signer.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.signer);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(26);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    body: uint8ArrayAlloc(0),
                    signer: uint8ArrayAlloc(0),
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.body = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.signer = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.body`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.signer`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.signature`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Envelope.codec());
    }
    Envelope.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Envelope.codec(), opts);
    }
    Envelope.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Envelope.codec(), opts);
    }
    Envelope.stream = stream;
})(Envelope || (Envelope = {}));
export var Body;
(function (Body) {
    let _codec;
    Body.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                obj = { ...obj };
                if (obj.verdicts != null) {
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.equivocation != null) {
                    obj.verdicts = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.vote != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.approval != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.record != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.response != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.challenge != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.submission = undefined;
                    obj.announcement = undefined;
                }
                if (obj.submission != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.announcement = undefined;
                }
                if (obj.announcement != null) {
                    obj.verdicts = undefined;
                    obj.equivocation = undefined;
                    obj.vote = undefined;
                    obj.approval = undefined;
                    obj.record = undefined;
                    obj.response = undefined;
                    obj.challenge = undefined;
                    obj.submission = undefined;
                }
                if ((obj.cycle != null && obj.cycle !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.cycle);
                }
                if ((obj.slot != null && obj.slot !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.slot);
                }
                if (obj.announcement != null) {
                    w.uint32(26);
                    Announcement.codec().encode(obj.announcement, w);
                }
                if (obj.submission != null) {
                    w.uint32(34);
                    Submission.codec().encode(obj.submission, w);
                }
                if (obj.challenge != null) {
                    w.uint32(42);
                    Challenge.codec().encode(obj.challenge, w);
                }
                if (obj.response != null) {
                    w.uint32(50);
                    Response.codec().encode(obj.response, w);
                }
                if (obj.record != null) {
                    w.uint32(66);
                    Record.codec().encode(obj.record, w);
                }
                if (obj.approval != null) {
                    w.uint32(74);
                    Approval.codec().encode(obj.approval, w);
                }
                if (obj.vote != null) {
                    w.uint32(82);
                    Vote.codec().encode(obj.vote, w);
                }
                if (obj.equivocation != null) {
                    w.uint32(90);
                    Equivocation.codec().encode(obj.equivocation, w);
                }
                if (obj.verdicts != null) {
                    w.uint32(98);
                    Verdicts.codec().encode(obj.verdicts, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cycle: 0,
                    slot: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.cycle = reader.uint64Number();
                            break;
                        }
                        case 2: {
                            obj.slot = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.announcement = Announcement.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.announcement
                            });
                            break;
                        }
                        case 4: {
                            obj.submission = Submission.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.submission
                            });
                            break;
                        }
                        case 5: {
                            obj.challenge = Challenge.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.challenge
                            });
                            break;
                        }
                        case 6: {
                            obj.response = Response.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.response
                            });
                            break;
                        }
                        case 8: {
                            obj.record = Record.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.record
                            });
                            break;
                        }
                        case 9: {
                            obj.approval = Approval.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.approval
                            });
                            break;
                        }
                        case 10: {
                            obj.vote = Vote.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.vote
                            });
                            break;
                        }
                        case 11: {
                            obj.equivocation = Equivocation.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.equivocation
                            });
                            break;
                        }
                        case 12: {
                            obj.verdicts = Verdicts.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.verdicts
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                if (obj.verdicts != null) {
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.equivocation != null) {
                    delete obj.verdicts;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.vote != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.approval != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.record;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.record != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.response != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.challenge;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.challenge != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.response;
                    delete obj.submission;
                    delete obj.announcement;
                }
                if (obj.submission != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.announcement;
                }
                if (obj.announcement != null) {
                    delete obj.verdicts;
                    delete obj.equivocation;
                    delete obj.vote;
                    delete obj.approval;
                    delete obj.record;
                    delete obj.response;
                    delete obj.challenge;
                    delete obj.submission;
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.cycle`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.slot`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield* Announcement.codec().stream(reader, reader.uint32(), `${prefix}.announcement`, {
                                limits: opts.limits?.announcement
                            });
                            break;
                        }
                        case 4: {
                            yield* Submission.codec().stream(reader, reader.uint32(), `${prefix}.submission`, {
                                limits: opts.limits?.submission
                            });
                            break;
                        }
                        case 5: {
                            yield* Challenge.codec().stream(reader, reader.uint32(), `${prefix}.challenge`, {
                                limits: opts.limits?.challenge
                            });
                            break;
                        }
                        case 6: {
                            yield* Response.codec().stream(reader, reader.uint32(), `${prefix}.response`, {
                                limits: opts.limits?.response
                            });
                            break;
                        }
                        case 8: {
                            yield* Record.codec().stream(reader, reader.uint32(), `${prefix}.record`, {
                                limits: opts.limits?.record
                            });
                            break;
                        }
                        case 9: {
                            yield* Approval.codec().stream(reader, reader.uint32(), `${prefix}.approval`, {
                                limits: opts.limits?.approval
                            });
                            break;
                        }
                        case 10: {
                            yield* Vote.codec().stream(reader, reader.uint32(), `${prefix}.vote`, {
                                limits: opts.limits?.vote
                            });
                            break;
                        }
                        case 11: {
                            yield* Equivocation.codec().stream(reader, reader.uint32(), `${prefix}.equivocation`, {
                                limits: opts.limits?.equivocation
                            });
                            break;
                        }
                        case 12: {
                            yield* Verdicts.codec().stream(reader, reader.uint32(), `${prefix}.verdicts`, {
                                limits: opts.limits?.verdicts
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Body.codec());
    }
    Body.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Body.codec(), opts);
    }
    Body.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Body.codec(), opts);
    }
    Body.stream = stream;
})(Body || (Body = {}));
export var Announcement;
(function (Announcement) {
    let _codec;
    Announcement.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.peerId != null && obj.peerId.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.peerId);
                }
                if (obj.multiaddrs != null && obj.multiaddrs.length > 0) {
                    for (const value of obj.multiaddrs) {
                        w.uint32(18);
                        w.bytes(value);
                    }
                }
                if ((obj.sequence != null && obj.sequence !== 0)) {
                    w.uint32(24);
                    w.uint64Number(obj.sequence);
                }
                if ((obj.expirySlot != null && obj.expirySlot !== 0)) {
                    w.uint32(32);
                    w.uint64Number(obj.expirySlot);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    peerId: uint8ArrayAlloc(0),
                    multiaddrs: [],
                    sequence: 0,
                    expirySlot: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.peerId = reader.bytes();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.multiaddrs != null && obj.multiaddrs.length === opts.limits.multiaddrs) {
                                throw new MaxLengthError('Decode error - repeated field "multiaddrs" had too many elements');
                            }
                            obj.multiaddrs.push(reader.bytes());
                            break;
                        }
                        case 3: {
                            obj.sequence = reader.uint64Number();
                            break;
                        }
                        case 4: {
                            obj.expirySlot = reader.uint64Number();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    multiaddrs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.peerId`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.multiaddrs != null && obj.multiaddrs === opts.limits.multiaddrs) {
                                throw new MaxLengthError('Streaming decode error - repeated field "multiaddrs" had too many elements');
                            }
                            yield {
                                field: `${prefix}.multiaddrs[]`,
                                index: obj.multiaddrs,
                                value: reader.bytes()
                            };
                            obj.multiaddrs++;
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.sequence`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.expirySlot`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Announcement.codec());
    }
    Announcement.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Announcement.codec(), opts);
    }
    Announcement.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Announcement.codec(), opts);
    }
    Announcement.stream = stream;
})(Announcement || (Announcement = {}));
export var Submission;
(function (Submission) {
    let _codec;
    Submission.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.value != null && obj.value.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.value);
                }
                if (obj.proofs != null && obj.proofs.length > 0) {
                    for (const value of obj.proofs) {
                        w.uint32(18);
                        Proof.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    value: uint8ArrayAlloc(0),
                    proofs: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.value = reader.bytes();
                            break;
                        }
                        case 2: {
                            if (opts.limits?.proofs != null && obj.proofs.length === opts.limits.proofs) {
                                throw new MaxLengthError('Decode error - repeated field "proofs" had too many elements');
                            }
                            obj.proofs.push(Proof.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.proofs$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    proofs: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.value`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            if (opts.limits?.proofs != null && obj.proofs === opts.limits.proofs) {
                                throw new MaxLengthError('Streaming decode error - repeated field "proofs" had too many elements');
                            }
                            for (const evt of Proof.codec().stream(reader, reader.uint32(), `${prefix}.proofs[]`, {
                                limits: opts.limits?.proofs$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.proofs
                                };
                            }
                            obj.proofs++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Submission.codec());
    }
    Submission.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Submission.codec(), opts);
    }
    Submission.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Submission.codec(), opts);
    }
    Submission.stream = stream;
})(Submission || (Submission = {}));
export var Proof;
(function (Proof) {
    let _codec;
    Proof.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.cid != null && obj.cid.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.cid);
                }
                if ((obj.size != null && obj.size !== 0)) {
                    w.uint32(16);
                    w.uint64Number(obj.size);
                }
                if ((obj.blocks != null && obj.blocks !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.blocks);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cid: uint8ArrayAlloc(0),
                    size: 0,
                    blocks: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.cid = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.size = reader.uint64Number();
                            break;
                        }
                        case 3: {
                            obj.blocks = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.cid`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.size`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.blocks`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Proof.codec());
    }
    Proof.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Proof.codec(), opts);
    }
    Proof.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Proof.codec(), opts);
    }
    Proof.stream = stream;
})(Proof || (Proof = {}));
export var Challenge;
(function (Challenge) {
    let _codec;
    Challenge.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.subject != null && obj.subject.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.subject);
                }
                if ((obj.submission != null && obj.submission.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.submission);
                }
                if ((obj.finding != null && obj.finding !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.finding);
                }
                if ((obj.reason != null && obj.reason !== '')) {
                    w.uint32(34);
                    w.string(obj.reason);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    subject: uint8ArrayAlloc(0),
                    submission: uint8ArrayAlloc(0),
                    finding: 0,
                    reason: ''
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.subject = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.submission = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.finding = reader.uint32();
                            break;
                        }
                        case 4: {
                            obj.reason = reader.string();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.subject`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.submission`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.finding`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.reason`,
                                value: reader.string()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Challenge.codec());
    }
    Challenge.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Challenge.codec(), opts);
    }
    Challenge.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Challenge.codec(), opts);
    }
    Challenge.stream = stream;
})(Challenge || (Challenge = {}));
export var Response;
(function (Response) {
    let _codec;
    Response.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.submission != null && obj.submission.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.submission);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    submission: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.submission = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.submission`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Response.codec());
    }
    Response.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Response.codec(), opts);
    }
    Response.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Response.codec(), opts);
    }
    Response.stream = stream;
})(Response || (Response = {}));
export var Verdicts;
(function (Verdicts) {
    let _codec;
    Verdicts.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.findings != null && obj.findings.length > 0) {
                    for (const value of obj.findings) {
                        w.uint32(10);
                        Finding.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    findings: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.findings != null && obj.findings.length === opts.limits.findings) {
                                throw new MaxLengthError('Decode error - repeated field "findings" had too many elements');
                            }
                            obj.findings.push(Finding.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.findings$
                            }));
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const obj = {
                    findings: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.findings != null && obj.findings === opts.limits.findings) {
                                throw new MaxLengthError('Streaming decode error - repeated field "findings" had too many elements');
                            }
                            for (const evt of Finding.codec().stream(reader, reader.uint32(), `${prefix}.findings[]`, {
                                limits: opts.limits?.findings$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.findings
                                };
                            }
                            obj.findings++;
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Verdicts.codec());
    }
    Verdicts.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Verdicts.codec(), opts);
    }
    Verdicts.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Verdicts.codec(), opts);
    }
    Verdicts.stream = stream;
})(Verdicts || (Verdicts = {}));
export var Finding;
(function (Finding) {
    let _codec;
    Finding.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.place != null && obj.place !== 0)) {
                    w.uint32(8);
                    w.uint32(obj.place);
                }
                if ((obj.finding != null && obj.finding !== 0)) {
                    w.uint32(16);
                    w.uint32(obj.finding);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    place: 0,
                    finding: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.place = reader.uint32();
                            break;
                        }
                        case 2: {
                            obj.finding = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.place`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.finding`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Finding.codec());
    }
    Finding.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Finding.codec(), opts);
    }
    Finding.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Finding.codec(), opts);
    }
    Finding.stream = stream;
})(Finding || (Finding = {}));
export var Record;
(function (Record) {
    let _codec;
    Record.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.cid != null && obj.cid.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.cid);
                }
                if ((obj.root != null && obj.root.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.root);
                }
                if ((obj.totalRewards != null && obj.totalRewards !== 0n)) {
                    w.uint32(24);
                    w.uint64(obj.totalRewards);
                }
                if ((obj.attempt != null && obj.attempt !== 0)) {
                    w.uint32(32);
                    w.uint32(obj.attempt);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cid: uint8ArrayAlloc(0),
                    root: uint8ArrayAlloc(0),
                    totalRewards: 0n,
                    attempt: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.cid = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.root = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.totalRewards = reader.uint64();
                            break;
                        }
                        case 4: {
                            obj.attempt = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.cid`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.root`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.totalRewards`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.attempt`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Record.codec());
    }
    Record.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Record.codec(), opts);
    }
    Record.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Record.codec(), opts);
    }
    Record.stream = stream;
})(Record || (Record = {}));
export var Approval;
(function (Approval) {
    let _codec;
    Approval.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.cid != null && obj.cid.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.cid);
                }
                if ((obj.root != null && obj.root.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.root);
                }
                if ((obj.attempt != null && obj.attempt !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.attempt);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cid: uint8ArrayAlloc(0),
                    root: uint8ArrayAlloc(0),
                    attempt: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.cid = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.root = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.attempt = reader.uint32();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.cid`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.root`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.attempt`,
                                value: reader.uint32()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Approval.codec());
    }
    Approval.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Approval.codec(), opts);
    }
    Approval.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Approval.codec(), opts);
    }
    Approval.stream = stream;
})(Approval || (Approval = {}));
export var Vote;
(function (Vote) {
    let _codec;
    Vote.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.root != null && obj.root.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.root);
                }
                if ((obj.recordDigest != null && obj.recordDigest.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.recordDigest);
                }
                if ((obj.totalRewards != null && obj.totalRewards !== 0n)) {
                    w.uint32(24);
                    w.uint64(obj.totalRewards);
                }
                if ((obj.signature != null && obj.signature.byteLength > 0)) {
                    w.uint32(34);
                    w.bytes(obj.signature);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    root: uint8ArrayAlloc(0),
                    recordDigest: uint8ArrayAlloc(0),
                    totalRewards: 0n,
                    signature: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.root = reader.bytes();
                            break;
                        }
                        case 2: {
                            obj.recordDigest = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.totalRewards = reader.uint64();
                            break;
                        }
                        case 4: {
                            obj.signature = reader.bytes();
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield {
                                field: `${prefix}.root`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.recordDigest`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.totalRewards`,
                                value: reader.uint64()
                            };
                            break;
                        }
                        case 4: {
                            yield {
                                field: `${prefix}.signature`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Vote.codec());
    }
    Vote.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Vote.codec(), opts);
    }
    Vote.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Vote.codec(), opts);
    }
    Vote.stream = stream;
})(Vote || (Vote = {}));
export var Equivocation;
(function (Equivocation) {
    let _codec;
    Equivocation.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.first != null) {
                    w.uint32(10);
                    Envelope.codec().encode(obj.first, w);
                }
                if (obj.second != null) {
                    w.uint32(18);
                    Envelope.codec().encode(obj.second, w);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {};
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.first = Envelope.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.first
                            });
                            break;
                        }
                        case 2: {
                            obj.second = Envelope.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.second
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
                return obj;
            }, function* (reader, length, prefix, opts = {}) {
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            yield* Envelope.codec().stream(reader, reader.uint32(), `${prefix}.first`, {
                                limits: opts.limits?.first
                            });
                            break;
                        }
                        case 2: {
                            yield* Envelope.codec().stream(reader, reader.uint32(), `${prefix}.second`, {
                                limits: opts.limits?.second
                            });
                            break;
                        }
                        default: {
                            reader.skipType(tag & 7);
                            break;
                        }
                    }
                }
            });
        }
        return _codec;
    };
    function encode(obj) {
        return encodeMessage(obj, Equivocation.codec());
    }
    Equivocation.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Equivocation.codec(), opts);
    }
    Equivocation.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Equivocation.codec(), opts);
    }
    Equivocation.stream = stream;
})(Equivocation || (Equivocation = {}));
