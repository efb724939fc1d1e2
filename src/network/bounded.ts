const MAX_ENTRIES = 1_024

/** Sets an entry as the newest; the oldest one goes where there are too many. */
export function bounded<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MAX_ENTRIES) {
    map.delete(map.keys().next().value as string)
  }
}
