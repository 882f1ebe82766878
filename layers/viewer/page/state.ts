/** A value that tells when it changes. */
export interface State<T> {
  get(): T;
  set(value: T): void;
  /** Change some of its parts. */
  merge(part: Partial<T>): void;
  /** @param listener called after each change */
  listen(listener: (value: T) => void): void;
}

export function createState<T extends object>(initial: T): State<T> {
  let value = initial;
  const listeners: ((value: T) => void)[] = [];
  const set = (next: T): void => {
    value = next;
    for (const listener of listeners) listener(value);
  };
  return {
    get: () => value,
    set,
    merge: (part) => set({ ...value, ...part }),
    listen: (listener) => {
      listeners.push(listener);
    },
  };
}
