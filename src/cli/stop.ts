/** A stop that may come at any time, also while a node is still being made. */
import { sayLines } from '../observe/index.ts'
import { untilStopped } from '../observe/process.ts'

export interface Stop {
  /** Whether somebody has asked for it. What is under way then fails, and that is nobody's fault. */
  isAsked(): boolean
  /** What comes of something, or undefined when the stop is asked for first: that is said at once. */
  unless<T>(under: Promise<T>): Promise<T | undefined>
}

/** @param quiet - whether nothing is said, as standard output is for machines */
export function createStop(quiet: boolean): Stop {
  let isAsked = false
  const asked = untilStopped().then(() => {
    isAsked = true
    if (!quiet) {
      sayLines(['stopping: what is under way is ended and written down, and K2 is not waited for. Once more ends it at once'])
    }
    return undefined
  })
  return {
    isAsked: () => isAsked,
    unless(under) {
      // what fails after the stop fails by it
      under.catch(() => {})
      return Promise.race([under, asked])
    }
  }
}
