/** What was used last, up to so many bytes. One that is larger than all the room is not kept. */
export class BytesCache<Value> {
  private readonly values = new Map<string, Value>();
  private bytes = 0;

  constructor(
    private readonly bytesMax: number,
    private readonly bytesOf: (value: Value) => number,
  ) {}

  get(key: string): Value | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    // A map keeps the order of insertion: what is used goes to its end.
    this.values.delete(key);
    this.values.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.delete(key);
    if (this.bytesOf(value) > this.bytesMax) return;
    this.values.set(key, value);
    this.bytes += this.bytesOf(value);
    for (const oldest of this.values.keys()) {
      if (this.bytes <= this.bytesMax) return;
      this.delete(oldest);
    }
  }

  private delete(key: string): void {
    const value = this.values.get(key);
    if (value === undefined) return;
    this.values.delete(key);
    this.bytes -= this.bytesOf(value);
  }
}
