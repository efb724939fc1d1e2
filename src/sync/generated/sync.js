// Generated from the .proto of the same name by `npm run generate`: do not edit.
import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from '../../wire/protobuf.ts';
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc';
export var Have;
(function (Have) {
    let _codec;
    Have.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.cycles != null && obj.cycles.length > 0) {
                    for (const value of obj.cycles) {
                        w.uint32(10);
                        CycleDigest.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cycles: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.cycles != null && obj.cycles.length === opts.limits.cycles) {
                                throw new MaxLengthError('Decode error - repeated field "cycles" had too many elements');
                            }
                            obj.cycles.push(CycleDigest.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.cycles$
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
                    cycles: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.cycles != null && obj.cycles === opts.limits.cycles) {
                                throw new MaxLengthError('Streaming decode error - repeated field "cycles" had too many elements');
                            }
                            for (const evt of CycleDigest.codec().stream(reader, reader.uint32(), `${prefix}.cycles[]`, {
                                limits: opts.limits?.cycles$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.cycles
                                };
                            }
                            obj.cycles++;
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
        return encodeMessage(obj, Have.codec());
    }
    Have.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Have.codec(), opts);
    }
    Have.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Have.codec(), opts);
    }
    Have.stream = stream;
})(Have || (Have = {}));
export var CycleDigest;
(function (CycleDigest) {
    let _codec;
    CycleDigest.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.cycle != null && obj.cycle !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.cycle);
                }
                if ((obj.digest != null && obj.digest.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.digest);
                }
                if ((obj.count != null && obj.count !== 0)) {
                    w.uint32(24);
                    w.uint32(obj.count);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cycle: 0,
                    digest: uint8ArrayAlloc(0),
                    count: 0
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
                            obj.digest = reader.bytes();
                            break;
                        }
                        case 3: {
                            obj.count = reader.uint32();
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
                                field: `${prefix}.cycle`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.digest`,
                                value: reader.bytes()
                            };
                            break;
                        }
                        case 3: {
                            yield {
                                field: `${prefix}.count`,
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
        return encodeMessage(obj, CycleDigest.codec());
    }
    CycleDigest.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, CycleDigest.codec(), opts);
    }
    CycleDigest.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, CycleDigest.codec(), opts);
    }
    CycleDigest.stream = stream;
})(CycleDigest || (CycleDigest = {}));
export var Ids;
(function (Ids) {
    let _codec;
    Ids.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.cycles != null && obj.cycles.length > 0) {
                    for (const value of obj.cycles) {
                        w.uint32(10);
                        CycleIds.codec().encode(value, w);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cycles: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.cycles != null && obj.cycles.length === opts.limits.cycles) {
                                throw new MaxLengthError('Decode error - repeated field "cycles" had too many elements');
                            }
                            obj.cycles.push(CycleIds.codec().decode(reader, reader.uint32(), {
                                limits: opts.limits?.cycles$
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
                    cycles: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.cycles != null && obj.cycles === opts.limits.cycles) {
                                throw new MaxLengthError('Streaming decode error - repeated field "cycles" had too many elements');
                            }
                            for (const evt of CycleIds.codec().stream(reader, reader.uint32(), `${prefix}.cycles[]`, {
                                limits: opts.limits?.cycles$
                            })) {
                                yield {
                                    ...evt,
                                    index: obj.cycles
                                };
                            }
                            obj.cycles++;
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
        return encodeMessage(obj, Ids.codec());
    }
    Ids.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Ids.codec(), opts);
    }
    Ids.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Ids.codec(), opts);
    }
    Ids.stream = stream;
})(Ids || (Ids = {}));
export var CycleIds;
(function (CycleIds) {
    let _codec;
    CycleIds.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.cycle != null && obj.cycle !== 0)) {
                    w.uint32(8);
                    w.uint64Number(obj.cycle);
                }
                if ((obj.ids != null && obj.ids.byteLength > 0)) {
                    w.uint32(18);
                    w.bytes(obj.ids);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    cycle: 0,
                    ids: uint8ArrayAlloc(0)
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
                            obj.ids = reader.bytes();
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
                                field: `${prefix}.cycle`,
                                value: reader.uint64Number()
                            };
                            break;
                        }
                        case 2: {
                            yield {
                                field: `${prefix}.ids`,
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
        return encodeMessage(obj, CycleIds.codec());
    }
    CycleIds.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, CycleIds.codec(), opts);
    }
    CycleIds.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, CycleIds.codec(), opts);
    }
    CycleIds.stream = stream;
})(CycleIds || (CycleIds = {}));
export var Want;
(function (Want) {
    let _codec;
    Want.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if ((obj.ids != null && obj.ids.byteLength > 0)) {
                    w.uint32(10);
                    w.bytes(obj.ids);
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    ids: uint8ArrayAlloc(0)
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            obj.ids = reader.bytes();
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
                                field: `${prefix}.ids`,
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
        return encodeMessage(obj, Want.codec());
    }
    Want.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Want.codec(), opts);
    }
    Want.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Want.codec(), opts);
    }
    Want.stream = stream;
})(Want || (Want = {}));
export var Envelopes;
(function (Envelopes) {
    let _codec;
    Envelopes.codec = () => {
        if (_codec == null) {
            _codec = message((obj, w, opts = {}) => {
                if (opts.lengthDelimited !== false) {
                    w.fork();
                }
                if (obj.envelopes != null && obj.envelopes.length > 0) {
                    for (const value of obj.envelopes) {
                        w.uint32(10);
                        w.bytes(value);
                    }
                }
                if (opts.lengthDelimited !== false) {
                    w.ldelim();
                }
            }, (reader, length, opts = {}) => {
                const obj = {
                    envelopes: []
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.envelopes != null && obj.envelopes.length === opts.limits.envelopes) {
                                throw new MaxLengthError('Decode error - repeated field "envelopes" had too many elements');
                            }
                            obj.envelopes.push(reader.bytes());
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
                    envelopes: 0
                };
                const end = length == null ? reader.len : reader.pos + length;
                while (reader.pos < end) {
                    const tag = reader.uint32();
                    switch (tag >>> 3) {
                        case 1: {
                            if (opts.limits?.envelopes != null && obj.envelopes === opts.limits.envelopes) {
                                throw new MaxLengthError('Streaming decode error - repeated field "envelopes" had too many elements');
                            }
                            yield {
                                field: `${prefix}.envelopes[]`,
                                index: obj.envelopes,
                                value: reader.bytes()
                            };
                            obj.envelopes++;
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
        return encodeMessage(obj, Envelopes.codec());
    }
    Envelopes.encode = encode;
    function decode(buf, opts) {
        return decodeMessage(buf, Envelopes.codec(), opts);
    }
    Envelopes.decode = decode;
    function stream(buf, opts) {
        return streamMessage(buf, Envelopes.codec(), opts);
    }
    Envelopes.stream = stream;
})(Envelopes || (Envelopes = {}));
