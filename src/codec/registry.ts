import { integerOption, TendonError } from '../core/index.ts';
import { CODEC_IDS, type Codec } from './codec.ts';

/** The codecs that one end understands, by number and by name; each of both belongs to one codec. */
export class CodecRegistry {
  readonly #byId: Map<number, Codec>;
  readonly #byName: Map<string, Codec>;

  /** @throws TendonError OPTION_INVALID as `register` */
  constructor(codecs: readonly Codec[] = []) {
    this.#byId = new Map();
    this.#byName = new Map();
    for (const codec of codecs) this.register(codec);
  }

  /** @throws TendonError OPTION_INVALID when the number is outside 1 to 63, or number or name are taken */
  register(codec: Codec): this {
    integerOption('codec.id', codec.id, 1, CODEC_IDS.LAST);
    const holder = this.#byId.get(codec.id) ?? this.#byName.get(codec.name);
    if (holder !== undefined) {
      throw new TendonError(
        'OPTION_INVALID',
        `codec "${codec.name}" (${codec.id}) collides with "${holder.name}" (${holder.id})`,
        { option: 'codec', value: codec.name },
      );
    }
    this.#byId.set(codec.id, codec);
    this.#byName.set(codec.name, codec);
    return this;
  }

  /** @hot */
  byId(id: number): Codec | undefined {
    return this.#byId.get(id);
  }

  byName(name: string): Codec | undefined {
    return this.#byName.get(name);
  }

  /** @throws TendonError CAPABILITY_MISSING when no codec has this number or name */
  require(key: number | string): Codec {
    const codec = typeof key === 'number' ? this.#byId.get(key) : this.#byName.get(key);
    if (codec !== undefined) return codec;
    throw new TendonError(
      'CAPABILITY_MISSING',
      `no codec ${typeof key === 'number' ? `number ${key}` : `"${key}"`}; registered are ${this.names.join(', ') || 'none'}`,
      { capability: `codec ${key}` },
    );
  }

  /** Names in the order of registration. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }
}
