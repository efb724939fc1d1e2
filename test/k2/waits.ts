/** A log that says nothing, and what is waited for. */
import { pino } from 'pino'
import { HANGS_MS } from '../cpu.ts'

export const silent = pino({ level: 'silent' })

/** Waits until `probe` gives something, however long a busy machine takes. */
export async function eventually<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + HANGS_MS
  for (;;) {
    const value = await probe()
    if (value !== undefined) {
      return value
    }
    if (performance.now() > deadline) {
      throw new Error(`waited in vain for ${what}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (err) {
    return err as Error
  }
  throw new Error('it did not fail')
}
