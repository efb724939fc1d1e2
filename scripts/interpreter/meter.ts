/**
 * Rewrites a WebAssembly module so that it counts what it does and stops itself, at the same instruction on every machine:
 *
 * - **steps**: one for each entry into a function and each turn of a loop, and one for every 64 bytes that are copied or
 *   filled. Nothing in WebAssembly runs long without one of these. Counts down from what `+steps` holds.
 * - **depth**: a function that runs weighs 8 and the number of its parameters and locals; the sum over all that have not
 *   returned is what the stack holds. The engine's own stack, whose frames differ between its compilers, is never full
 *   before this one is.
 *
 * Either limit is a trap (`unreachable`), which nothing inside can catch. Spec: protocols/task/README.md "The interpreter".
 */

const BYTES_PER_STEP_LOG2 = 6
const FRAME_WEIGHT = 8

const I32 = 0x7f
const I64 = 0x7e
const EMPTY = 0x40
/** 2^63 - 1, signed */
const UNLIMITED = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]
const SECTION = { type: 1, import: 2, function: 3, global: 6, export: 7, code: 10 } as const

/** Names of the exports that the module gets: a mutable i64 and a mutable i32. */
export const STEPS_EXPORT = '+steps'
export const DEPTH_EXPORT = '+depth'

export class MeterError extends Error {
  override name = 'MeterError'
}

type Bytes = number[]

function unsigned(value: number): Bytes {
  const out: Bytes = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) {
      return [...out, left]
    }
    out.push((left % 128) + 128)
  }
}

/** Constants of code are signed; only those of 0 or more are needed. */
function constant(value: number): Bytes {
  const out = unsigned(value)
  return out[out.length - 1]! < 64 ? out : [...out.slice(0, -1), out[out.length - 1]! + 128, 0]
}

class Reader {
  at: number
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes
    this.at = at
  }
  byte(): number {
    const byte = this.bytes[this.at++]
    if (byte === undefined) {
      throw new MeterError(`the module ends at byte ${this.at}, in the middle of something`)
    }
    return byte
  }
  unsigned(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte()
      value += (byte % 128) * scale
      if (byte < 128) {
        return value
      }
    }
  }
  skipNumber(): void {
    while (this.byte() >= 128) {}
  }
  name(): string {
    const size = this.unsigned()
    this.at += size
    return new TextDecoder().decode(this.bytes.subarray(this.at - size, this.at))
  }
}

/** How many numbers follow an opcode; -1 for one that is not known. */
function numbersAfter(opcode: number): number {
  if (opcode === 0x11 || (opcode >= 0x28 && opcode <= 0x3e)) {
    return 2
  }
  const one = [0x0c, 0x0d, 0x10, 0x3f, 0x40, 0x41, 0x42, 0xd0, 0xd2]
  if (one.includes(opcode) || (opcode >= 0x20 && opcode <= 0x26)) {
    return 1
  }
  return opcode <= 0x01 || opcode === 0x1a || opcode === 0x1b || (opcode >= 0x45 && opcode <= 0xc4) ? 0 : -1
}

/** Skips what follows an opcode. */
function skipImmediates(reader: Reader, opcode: number): void {
  if (opcode === 0x43 || opcode === 0x44) {
    reader.at += opcode === 0x43 ? 4 : 8
    return
  }
  const isTable = opcode === 0x0e
  const numbers = isTable || opcode === 0x1c ? reader.unsigned() + (isTable ? 1 : 0) : numbersAfter(opcode)
  if (numbers < 0) {
    throw new MeterError(`instruction 0x${opcode.toString(16)} at byte ${reader.at - 1} is none that is known here`)
  }
  for (let i = 0; i < numbers; i++) {
    reader.skipNumber()
  }
}

interface Meter {
  steps: number
  depth: number
  maxDepth: number
  copy: number
  fill: number
}

const trapIf = (condition: Bytes): Bytes => [...condition, 0x04, EMPTY, 0x00, 0x0b]

function chargeSteps({ steps }: Meter, amount: Bytes): Bytes {
  const global = unsigned(steps)
  return [0x23, ...global, ...amount, 0x7d, 0x24, ...global, ...trapIf([0x23, ...global, 0x42, 0, 0x53])]
}

/** @param result the block type of what the function gives */
function meterFunction(reader: Reader, end: number, parameters: number, result: number, meter: Meter): Bytes[] {
  const start = reader.at
  let locals = 0
  for (let groups = reader.unsigned(); groups > 0; groups--) {
    locals += reader.unsigned()
    reader.byte()
  }
  const oneStep = chargeSteps(meter, [0x42, 1])
  const depth = unsigned(meter.depth)
  const weight = constant(FRAME_WEIGHT + parameters + locals)
  const out: Bytes[] = [
    [...reader.bytes.subarray(start, reader.at)],
    oneStep,
    [0x23, ...depth, 0x41, ...weight, 0x6a, 0x24, ...depth],
    trapIf([0x23, ...depth, 0x41, ...constant(meter.maxDepth), 0x4b]),
    // the body in a block: a branch out of the function becomes one out of the block, and so does a return
    [0x02, result]
  ]
  let nesting = 0
  let from = reader.at
  const copyUntil = (at: number) => {
    if (at > from) {
      out.push(Array.from(reader.bytes.subarray(from, at)))
    }
  }
  while (reader.at < end) {
    const at = reader.at
    const opcode = reader.byte()
    if (opcode === 0x02 || opcode === 0x03 || opcode === 0x04) {
      reader.skipNumber()
      nesting++
      if (opcode === 0x03) {
        copyUntil(reader.at)
        from = reader.at
        out.push(oneStep)
      }
    } else if (opcode === 0x0b) {
      nesting--
    } else if (opcode === 0x0f) {
      copyUntil(at)
      from = reader.at
      out.push([0x0c, ...unsigned(nesting)])
    } else if (opcode === 0xfc) {
      const sub = reader.unsigned()
      if (sub === 10 || sub === 11) {
        reader.at += sub === 10 ? 2 : 1
        copyUntil(at)
        from = reader.at
        out.push([0x10, ...unsigned(sub === 10 ? meter.copy : meter.fill)])
      } else if (sub > 7) {
        throw new MeterError(`instruction 0xfc ${sub} at byte ${at} is none that is known here`)
      }
    } else if (opcode !== 0x05) {
      skipImmediates(reader, opcode)
    }
  }
  if (nesting !== -1) {
    throw new MeterError('a function does not end where its body does')
  }
  copyUntil(end) // with the function's own end, which closes the block now
  out.push([0x23, ...depth, 0x41, ...weight, 0x6b, 0x24, ...depth, 0x0b])
  return out
}

/** `memory.copy` or `memory.fill`, charged by its length. */
function bulkBody(meter: Meter, instruction: Bytes): Bytes {
  const charge = chargeSteps(meter, [0x20, 2, 0xad, 0x42, BYTES_PER_STEP_LOG2, 0x88])
  const body = [0, ...charge, 0x20, 0, 0x20, 1, 0x20, 2, ...instruction, 0x0b]
  return [...unsigned(body.length), ...body]
}

interface Layout {
  sections: Array<{ id: number; start: number; end: number }>
  types: Array<{ parameters: number; result: number }>
  importedFunctions: number
  functionTypes: number[]
  globals: number
}

function readLayout(module: Uint8Array): Layout {
  const reader = new Reader(module, 8)
  const layout: Layout = { sections: [], types: [], importedFunctions: 0, functionTypes: [], globals: 0 }
  while (reader.at < module.length) {
    const id = reader.byte()
    const size = reader.unsigned()
    const start = reader.at
    layout.sections.push({ id, start, end: start + size })
    if (id === SECTION.type) {
      for (let count = reader.unsigned(); count > 0; count--) {
        if (reader.byte() !== 0x60) {
          throw new MeterError('a type that is no function')
        }
        const parameters = reader.unsigned()
        reader.at += parameters
        const results = reader.unsigned()
        if (results > 1) {
          throw new MeterError('a function with several results')
        }
        layout.types.push({ parameters, result: results === 0 ? EMPTY : reader.byte() })
      }
    } else if (id === SECTION.import) {
      for (let count = reader.unsigned(); count > 0; count--) {
        reader.name()
        reader.name()
        const kind = reader.byte()
        if (kind === 0) {
          layout.importedFunctions++
          reader.unsigned()
        } else if (kind === 2) {
          const limits = reader.byte()
          reader.unsigned()
          if (limits % 2 === 1) {
            reader.unsigned()
          }
        } else {
          throw new MeterError('an import that is no function and no memory')
        }
      }
    } else if (id === SECTION.function) {
      layout.functionTypes = Array.from({ length: reader.unsigned() }, () => reader.unsigned())
    } else if (id === SECTION.global) {
      layout.globals = reader.unsigned()
    }
    reader.at = start + size
  }
  return layout
}

function meterCode(module: Uint8Array, start: number, layout: Layout, meter: Meter): Bytes[] {
  const reader = new Reader(module, start)
  const count = reader.unsigned()
  const out: Bytes[] = [unsigned(count + 2)]
  for (let i = 0; i < count; i++) {
    const size = reader.unsigned()
    const end = reader.at + size
    const { parameters, result } = layout.types[layout.functionTypes[i]!]!
    const body = meterFunction(reader, end, parameters, result, meter)
    out.push(unsigned(body.reduce((sum, part) => sum + part.length, 0)), ...body)
  }
  return [...out, bulkBody(meter, [0xfc, 10, 0, 0]), bulkBody(meter, [0xfc, 11, 0])]
}

const text = (name: string): Bytes => [...unsigned(name.length), ...new TextEncoder().encode(name)]

/**
 * @param module a module of WebAssembly 1.0 with sign extension, saturating conversion and bulk memory
 * @param maxDepth the weight at which a call traps
 * @throws MeterError for a module with anything else
 */
export function meterModule(module: Uint8Array, maxDepth: number): Uint8Array<ArrayBuffer> {
  const layout = readLayout(module)
  const { types, functionTypes, importedFunctions, globals } = layout
  const firstNew = importedFunctions + functionTypes.length
  const meter: Meter = { steps: globals, depth: globals + 1, maxDepth, copy: firstNew, fill: firstNew + 1 }
  const parts: Bytes[] = [Array.from(module.subarray(0, 8))]
  for (const { id, start, end } of layout.sections) {
    const reader = new Reader(module, start)
    // a section that grows: its count, what it has, and what is new
    const grown = (count: number, added: Bytes): Bytes[] => {
      const had = reader.unsigned()
      return [unsigned(had + count), Array.from(module.subarray(reader.at, end)), added]
    }
    const bulkType = unsigned(types.length)
    const body =
      id === SECTION.type
        ? grown(1, [0x60, 3, I32, I32, I32, 0])
        : id === SECTION.function
          ? grown(2, [...bulkType, ...bulkType])
          : id === SECTION.global
            ? grown(2, [I64, 1, 0x42, ...UNLIMITED, 0x0b, I32, 1, 0x41, 0, 0x0b])
            : id === SECTION.export
              ? grown(2, [...text(STEPS_EXPORT), 3, ...unsigned(meter.steps), ...text(DEPTH_EXPORT), 3, ...unsigned(meter.depth)])
              : id === SECTION.code
                ? meterCode(module, start, layout, meter)
                : [Array.from(module.subarray(start, end))]
    parts.push([id, ...unsigned(body.reduce((sum, part) => sum + part.length, 0))], ...body)
  }
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
