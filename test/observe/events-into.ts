import type { Events } from '../../src/observe/index.ts'

/** Events as they are told, without what is added to each: gathered in a list. */
export function eventsInto(told: Array<{ event: string }>): Events {
  const tell: Events['tell'] = (event) => void told.push({ ...event })
  return {
    emit: (event, ...[detail]) => void told.push({ event, ...detail }),
    tell,
    on: () => () => {}
  }
}
