// Chance that can be had again: the same seed makes the same choices (not the same timing).
//
//   const chance = new Chance();     // NOFORCE_SEED, or a fresh one; chance.seed is printed
//   chance.upTo(300)  chance.of(list)  chance.is(0.3)

// mulberry32, public domain.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export class Chance {
  constructor() {
    this.seed = Number(process.env.NOFORCE_SEED ?? Math.floor(Math.random() * 4294967296));
    this.next = generator(this.seed);
    console.log(`NOFORCE_SEED=${this.seed}`);
  }

  // 0 <= number < limit
  upTo(limit) {
    return this.next() * limit;
  }

  of(list) {
    return list[Math.floor(this.upTo(list.length))];
  }

  is(probability) {
    return this.next() < probability;
  }
}
