/**
 * What a file can reach by its imports, name by name: whoever takes one function out of a room's index.ts reaches what that
 * function's file imports, and not the whole room. Types reach nothing.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

interface Import {
  /** As it is written: a path, a package or `node:...`. */
  from: string
  /** The exported names that are taken; undefined for all of them. */
  names?: string[]
}

interface Source {
  imports: Import[]
  /** `export ... from`, by the name that others see; `*` for all. */
  passedOn: Array<Import & { as: string[] }>
}

/** An import or export with `from`; what is in the braces may go over several lines. */
const FROM = /^(import|export)\s+(type\s+)?([^'";]*?)\s*from\s+'([^']+)'/gm
/** `import 'x'` and `await import('x')`, and not the type `typeof import('x')`. */
const WHOLE = /^import\s+'([^']+)'|(?<!typeof )\bimport\(\s*'([^']+)'/gm

const sources = new Map<string, Source>()

function sourceOf(file: string): Source {
  const known = sources.get(file)
  if (known != null) {
    return known
  }
  const text = readFileSync(file, 'utf8').replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '')
  const source: Source = { imports: [], passedOn: [] }
  for (const [, verb, type, what, from] of text.matchAll(FROM)) {
    if (type != null) {
      continue
    }
    const [, before = '', inner] = /^([^{]*)(?:\{([\s\S]*)\})?/.exec(what!)!
    const taken = (inner ?? '')
      .split(',')
      .map((one) => one.trim().split(/\s+as\s+/))
      .filter(([name]) => name !== '' && !name!.startsWith('type '))
    const all = before.includes('*')
    const names = [...taken.map(([name]) => name!), ...(/^\w/.test(before) && !all ? ['default'] : [])]
    if (!all && names.length === 0) {
      continue
    }
    if (verb === 'import') {
      source.imports.push(all ? { from: from! } : { from: from!, names })
    } else {
      source.passedOn.push(all ? { from: from!, as: ['*'] } : { from: from!, names, as: taken.map((pair) => pair.at(-1)!) })
    }
  }
  for (const [, bare, dynamic] of text.matchAll(WHOLE)) {
    source.imports.push({ from: (bare ?? dynamic)! })
  }
  sources.set(file, source)
  return source
}

/** A package or a module of Node that is reached. */
export interface Reached {
  from: string
  /** Which of its exports; undefined for all of them. */
  names: string[] | undefined
  /** The files on the way there, the one that was asked for first. */
  way: string[]
}

/**
 * Packages and modules of Node that a file reaches.
 *
 * @param inert - whether a file is not looked into
 */
export function reached(file: string, inert: (file: string) => boolean = () => false): Reached[] {
  const found: Reached[] = []
  const seen = new Set<string>()
  const follow = ({ from, names }: Import, way: string[]) => {
    if (!from.startsWith('.')) {
      found.push({ from, names, way })
      return
    }
    const target = resolve(dirname(way.at(-1)!), from)
    if (target.endsWith('.ts') && existsSync(target) && !inert(target)) {
      take(target, names, [...way, target])
    }
  }
  const take = (target: string, names: string[] = ['*'], way: string[]) => {
    const { imports, passedOn } = sourceOf(target)
    for (const name of names.filter((one) => !seen.has(`${target}#${one}`))) {
      seen.add(`${target}#${name}`)
      const passed = passedOn.filter(({ as }) => name === '*' || as.includes(name) || as.includes('*'))
      for (const one of passed) {
        const wanted = one.as.includes('*') ? [name] : name === '*' ? one.names : [one.names![one.as.indexOf(name)]!]
        follow({ from: one.from, names: wanted }, way)
      }
      const own = name === '*' || !passed.some(({ as }) => as.includes(name))
      if (own && !seen.has(target)) {
        seen.add(target)
        for (const one of imports) {
          follow(one, way)
        }
      }
    }
  }
  take(file, undefined, [file])
  return found
}

/** The files of ours that a file names in its own imports. */
export function importsOf(file: string): string[] {
  const { imports, passedOn } = sourceOf(file)
  return [...imports, ...passedOn].filter(({ from }) => from.startsWith('.')).map(({ from }) => resolve(dirname(file), from))
}
