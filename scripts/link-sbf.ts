/**
 * Turns one relocatable BPF object of clang's into the shared object that Solana's program loader accepts.
 *
 * What the loader wants (SBPF version 0): an ET_DYN whose `.text` and `.rodata` lie at the addresses of their file
 * offsets; constants addressed from 0x1_0000_0000; calls between own functions relative; each syscall a `call -1`
 * with an R_BPF_64_32 entry in `.rel.dyn` that names it; nothing writable. Everything that it writes follows from
 * the object's code and constants, so equal sources give equal bytes wherever they lie.
 */

/** The object uses something that a K2 program cannot have, or that this linker does not know. */
export class LinkError extends Error {
  override name = 'LinkError'
}

const PROGRAM_START = 0x1_0000_0000
const EM_BPF = 247
const R_BPF_64_64 = 1
const R_BPF_64_32 = 10
const STT_SECTION = 3
const CALL = 0x85
const LDDW = 0x18
const INSTRUCTION_BYTES = 8
const [SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR] = [1, 2, 4]

interface Section {
  name: string
  type: number
  flags: number
  bytes: Uint8Array
  link: number
  info: number
}

interface Symbol {
  name: string
  type: number
  section: number
  value: number
}

/**
 * Links `object`.
 *
 * @param object - an ELF64 relocatable file, as `clang -target bpfel -mcpu=v2 -c` writes it
 * @param entry - the name of the function that the loader calls
 * @returns the bytes of the shared object
 * @throws LinkError naming the section or symbol that cannot be linked
 */
export function linkSbf(object: Uint8Array, entry = 'entrypoint'): Uint8Array {
  const sections = readSections(object)
  const textIndex = sections.findIndex((section) => section.name === '.text')
  const text = sections[textIndex]
  if (text == null) {
    throw new LinkError('the object has no .text section: is it compiled from C?')
  }
  for (const { name, flags, bytes } of sections) {
    if ((flags & SHF_WRITE) !== 0 && bytes.length > 0) {
      throw new LinkError(`${name} is writable: programs have no variables of their own, make it const or local`)
    }
  }
  const symbols = readSymbols(sections)

  // all constants, one after the other, each section 8-byte aligned
  const constantsAt = new Map<number, number>()
  let constants = new Uint8Array(0)
  sections.forEach((section, index) => {
    if (section.name.startsWith('.rodata') && (section.flags & SHF_ALLOC) !== 0) {
      constantsAt.set(index, align(constants.length))
      constants = concat([constants, new Uint8Array(align(constants.length) - constants.length), section.bytes])
    }
  })

  const textOffset = 64 + 3 * 56
  const rodataOffset = align(textOffset + text.bytes.length)
  const code = text.bytes.slice()
  const view = new DataView(code.buffer)
  const syscalls: string[] = []
  const calls: Array<{ offset: number; syscall: number }> = []

  for (const relocations of sections.filter(({ type, info }) => type === 9 && sections[info]?.type === 1)) {
    if (relocations.info !== textIndex) {
      throw new LinkError(`${relocations.name}: only code may refer to addresses, not constants (a table of pointers?)`)
    }
    const entries = new DataView(relocations.bytes.buffer)
    for (let at = 0; at < relocations.bytes.length; at += 16) {
      const offset = Number(entries.getBigUint64(at, true))
      const type = entries.getUint32(at + 8, true)
      const symbol = symbols[entries.getUint32(at + 12, true)]
      if (symbol == null) {
        throw new LinkError(`the relocation at ${offset} names no symbol`)
      }
      if (type === R_BPF_64_64 && code[offset] === LDDW) {
        const base = constantsAt.get(symbol.section)
        if (base == null) {
          throw new LinkError(`${symbol.name} at ${offset} is neither a constant nor a function that is called`)
        }
        const address = BigInt(PROGRAM_START + rodataOffset + base + symbol.value + view.getInt32(offset + 4, true))
        view.setUint32(offset + 4, Number(address & 0xffffffffn), true)
        view.setUint32(offset + 12, Number(address >> 32n), true)
      } else if (type === R_BPF_64_32 && code[offset] === CALL && symbol.section === textIndex) {
        // relative to a section, the immediate holds the target already, in instructions, less one
        const addend = symbol.type === STT_SECTION ? view.getInt32(offset + 4, true) + 1 : 0
        const target = symbol.value / INSTRUCTION_BYTES + addend
        view.setInt32(offset + 4, target - offset / INSTRUCTION_BYTES - 1, true)
      } else if (type === R_BPF_64_32 && code[offset] === CALL && symbol.section === 0) {
        if (!syscalls.includes(symbol.name)) {
          syscalls.push(symbol.name)
        }
        view.setInt32(offset + 4, -1, true)
        calls.push({ offset: textOffset + offset, syscall: syscalls.indexOf(symbol.name) + 1 })
      } else {
        throw new LinkError(`a relocation of type ${type} on ${symbol.name} at ${offset} is not known here`)
      }
    }
  }

  const start = symbols.find(({ name, section }) => name === entry && section === textIndex)
  if (start == null) {
    throw new LinkError(`no function ${entry} in .text: the loader would have nothing to call`)
  }
  return write({ code, constants, textOffset, rodataOffset, syscalls, calls, entryAddress: textOffset + start.value })
}

function readSections(file: Uint8Array): Section[] {
  // a Buffer's slice is no copy, and its memory does not begin where it does
  const object = new Uint8Array(file)
  const view = new DataView(object.buffer)
  if (object.length < 64 || view.getUint32(0, false) !== 0x7f454c46 || view.getUint16(18, true) !== EM_BPF) {
    throw new LinkError('not an ELF object for BPF')
  }
  const table = Number(view.getBigUint64(40, true))
  const count = view.getUint16(60, true)
  const headers = Array.from({ length: count }, (_, index) => {
    const at = table + index * 64
    const type = view.getUint32(at + 4, true)
    const offset = Number(view.getBigUint64(at + 24, true))
    const size = Number(view.getBigUint64(at + 32, true))
    return {
      nameAt: view.getUint32(at, true),
      type,
      flags: Number(view.getBigUint64(at + 8, true)),
      // .bss takes no room in the file, but has a size, and is refused by it
      bytes: type === 8 ? new Uint8Array(size) : object.slice(offset, offset + size),
      link: view.getUint32(at + 40, true),
      info: view.getUint32(at + 44, true)
    }
  })
  const names = headers[view.getUint16(62, true)]?.bytes ?? new Uint8Array(0)
  return headers.map(({ nameAt, ...rest }) => ({ name: text(names, nameAt), ...rest }))
}

function readSymbols(sections: Section[]): Symbol[] {
  const table = sections.find(({ type }) => type === 2)
  if (table == null) {
    throw new LinkError('the object has no symbol table')
  }
  const names = sections[table.link]?.bytes ?? new Uint8Array(0)
  const view = new DataView(table.bytes.buffer)
  return Array.from({ length: table.bytes.length / 24 }, (_, index) => ({
    name: text(names, view.getUint32(index * 24, true)),
    type: view.getUint8(index * 24 + 4) & 15,
    section: view.getUint16(index * 24 + 6, true),
    value: Number(view.getBigUint64(index * 24 + 8, true))
  }))
}

interface Linked {
  code: Uint8Array
  constants: Uint8Array
  textOffset: number
  rodataOffset: number
  syscalls: string[]
  calls: Array<{ offset: number; syscall: number }>
  entryAddress: number
}

function write({ code, constants, textOffset, rodataOffset, syscalls, calls, entryAddress }: Linked): Uint8Array {
  const strings = stringTable(syscalls)
  const dynsym = concat([
    new Uint8Array(24),
    // global, no type, undefined: the loader knows it by its name alone
    ...syscalls.map((name) => pack([4, strings.at(name)], [1, 0x10], [1, 0], [2, 0], [8, 0], [8, 0]))
  ])
  const relocations = concat(calls.map(({ offset, syscall }) => pack([8, offset], [4, R_BPF_64_32], [4, syscall])))

  const dynsymOffset = align(rodataOffset + constants.length)
  const dynstrOffset = align(dynsymOffset + dynsym.length)
  const relOffset = align(dynstrOffset + strings.bytes.length)
  const dynamicOffset = align(relOffset + relocations.length)
  const dynamic = concat(
    [
      [6, dynsymOffset], // SYMTAB
      [11, 24], // SYMENT
      [5, dynstrOffset], // STRTAB
      [10, strings.bytes.length], // STRSZ
      [17, relOffset], // REL
      [18, relocations.length], // RELSZ
      [19, 16], // RELENT
      [0, 0]
    ].map(([tag, value]) => pack([8, tag!], [8, value!]))
  )
  const names = stringTable(['.text', '.rodata', '.dynsym', '.dynstr', '.rel.dyn', '.dynamic', '.shstrtab'])
  const namesOffset = align(dynamicOffset + dynamic.length)
  const headersOffset = align(namesOffset + names.bytes.length)

  const header = (name: string, type: number, flags: number, offset: number, size: number, link = 0, info = 0, entry = 0): Uint8Array =>
    pack(
      [4, names.at(name)],
      [4, type],
      [8, flags],
      [8, flags === 0 ? 0 : offset],
      [8, offset],
      [8, size],
      [4, link],
      [4, info],
      [8, 8],
      [8, entry]
    )
  const sectionHeaders = [
    new Uint8Array(64),
    header('.text', 1, SHF_ALLOC | SHF_EXECINSTR, textOffset, code.length),
    header('.rodata', 1, SHF_ALLOC, rodataOffset, constants.length),
    header('.dynsym', 11, SHF_ALLOC, dynsymOffset, dynsym.length, 4, 1, 24),
    header('.dynstr', 3, SHF_ALLOC, dynstrOffset, strings.bytes.length),
    header('.rel.dyn', 9, SHF_ALLOC, relOffset, relocations.length, 3, 0, 16),
    header('.dynamic', 6, SHF_ALLOC, dynamicOffset, dynamic.length, 4, 0, 16),
    header('.shstrtab', 3, 0, namesOffset, names.bytes.length)
  ]
  const segment = (type: number, flags: number, offset: number, size: number): Uint8Array =>
    pack([4, type], [4, flags], [8, offset], [8, offset], [8, offset], [8, size], [8, size], [8, 8])
  const fileHeader = concat([
    Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    pack([2, 3], [2, EM_BPF], [4, 1], [8, entryAddress], [8, 64], [8, headersOffset], [4, 0]),
    pack([2, 64], [2, 56], [2, 3], [2, 64], [2, sectionHeaders.length], [2, sectionHeaders.length - 1])
  ])

  const out = new Uint8Array(headersOffset + sectionHeaders.length * 64)
  out.set(fileHeader, 0)
  out.set(segment(1, 5, textOffset, code.length), 64)
  out.set(segment(1, 4, rodataOffset, dynamicOffset - rodataOffset), 64 + 56)
  out.set(segment(2, 4, dynamicOffset, dynamic.length), 64 + 2 * 56)
  out.set(code, textOffset)
  out.set(constants, rodataOffset)
  out.set(dynsym, dynsymOffset)
  out.set(strings.bytes, dynstrOffset)
  out.set(relocations, relOffset)
  out.set(dynamic, dynamicOffset)
  out.set(names.bytes, namesOffset)
  out.set(concat(sectionHeaders), headersOffset)
  return out
}

/** A number of 1, 2, 4 or 8 bytes for each [width, value], little-endian, without gaps. */
function pack(...fields: Array<[width: number, value: number]>): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([width, value]) => Array.from({ length: width }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n)))
  )
}

function stringTable(strings: string[]): { bytes: Uint8Array; at: (name: string) => number } {
  const offsets = new Map<string, number>()
  let length = 1
  for (const name of strings) {
    offsets.set(name, length)
    length += name.length + 1
  }
  return { bytes: new TextEncoder().encode(`\0${strings.map((name) => `${name}\0`).join('')}`), at: (name) => offsets.get(name)! }
}

function text(table: Uint8Array, offset: number): string {
  return new TextDecoder().decode(table.subarray(offset, table.indexOf(0, offset)))
}

function concat(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts))
}

/** To the next multiple of 8: the loader reads its tables in place. */
function align(offset: number): number {
  return (offset + 7) & ~7
}
