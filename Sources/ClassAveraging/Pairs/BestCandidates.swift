/// The S best candidates of each row, in bounded memory, whatever the order in which they are offered.
///
/// Better is a higher score, then a smaller index.
struct BestCandidates {
  let capacity: Int
  /// For each row a heap with the worst candidate at its front, rows x capacity.
  private(set) var scores: [Float]
  private(set) var indices: [Int32]
  private(set) var reflected: [UInt8]
  private var counts: [Int]
  /// Whether a candidate may be offered again, and counts once; otherwise that is not looked at.
  var mayRepeat = false

  init(rows: Int, capacity: Int) {
    self.capacity = capacity
    scores = [Float](repeating: -.infinity, count: rows * capacity)
    indices = [Int32](repeating: -1, count: rows * capacity)
    reflected = [UInt8](repeating: 0, count: rows * capacity)
    counts = [Int](repeating: 0, count: rows)
  }

  /// Candidates that score less cannot enter the row any more.
  func threshold(row: Int) -> Float {
    counts[row] < capacity ? -.infinity : scores[row * capacity]
  }

  mutating func offer(row: Int, index: Int32, score: Float, reflected flag: Bool) {
    let front = row * capacity
    if mayRepeat && score >= threshold(row: row)
      && indices[front..<front + counts[row]].contains(index)
    {
      return
    }
    if counts[row] < capacity {
      var child = counts[row]
      counts[row] += 1
      set(front + child, score, index, flag)
      while child > 0, isWorse(front + child, than: front + (child - 1) / 2) {
        swapAt(front + child, front + (child - 1) / 2)
        child = (child - 1) / 2
      }
    } else if isWorse(front, than: score, index) {
      sink(score, index, flag, from: front, count: capacity)
    }
  }

  /// Offers every candidate of `other`, lists of the same rows.
  mutating func merge(_ other: BestCandidates) {
    for row in other.counts.indices {
      for at in row * other.capacity..<row * other.capacity + other.counts[row] {
        offer(
          row: row, index: other.indices[at], score: other.scores[at],
          reflected: other.reflected[at] == 1)
      }
    }
  }

  /// All candidates as words for a message: score, index with the reflection in its lowest bit; -1 where a
  /// row has fewer.
  var packed: [Int64] {
    scores.indices.map { at in
      indices[at] < 0
        ? -1
        : Int64(scores[at].bitPattern) << 32 | Int64(indices[at]) << 1 | Int64(reflected[at])
    }
  }

  /// Lists from another rank's `packed`.
  init(packed: [Int64], rows: Int, capacity: Int) {
    self.init(rows: rows, capacity: capacity)
    for row in 0..<rows { offer(row: row, packed: packed[row * capacity..<(row + 1) * capacity]) }
  }

  /// Offers candidates from `packed`.
  mutating func offer(row: Int, packed: ArraySlice<Int64>) {
    for word in packed where word != -1 {
      let low = UInt32(truncatingIfNeeded: word)
      offer(
        row: row, index: Int32(low >> 1),
        score: Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32)), reflected: low & 1 == 1)
    }
  }

  /// Whether `packed` names none but the first `count` candidates, with scores that are numbers.
  static func areValid(packed words: [Int64], of count: Int) -> Bool {
    words.allSatisfy { word in
      word == -1
        || Int(UInt32(truncatingIfNeeded: word) >> 1) < count
          && !Float(bitPattern: UInt32(truncatingIfNeeded: word >> 32)).isNaN
    }
  }

  /// Puts every row's candidates in order, best first; none may be offered after.
  mutating func sort() {
    for row in counts.indices {
      for last in stride(from: counts[row] - 1, to: 0, by: -1) {
        let (front, end) = (row * capacity, row * capacity + last)
        let (score, index, flag) = (scores[end], indices[end], reflected[end] == 1)
        set(end, scores[front], indices[front], reflected[front] == 1)
        sink(score, index, flag, from: front, count: last)
      }
    }
  }

  private func isWorse(_ a: Int, than b: Int) -> Bool { isWorse(a, than: scores[b], indices[b]) }

  private func isWorse(_ a: Int, than score: Float, _ index: Int32) -> Bool {
    (scores[a], index) < (score, indices[a])
  }

  private mutating func set(_ place: Int, _ score: Float, _ index: Int32, _ flag: Bool) {
    scores[place] = score
    indices[place] = index
    reflected[place] = flag ? 1 : 0
  }

  private mutating func swapAt(_ a: Int, _ b: Int) {
    scores.swapAt(a, b)
    indices.swapAt(a, b)
    reflected.swapAt(a, b)
  }

  /// Lets an entry sink from the front of a row's heap of `count` to its place.
  private mutating func sink(
    _ score: Float, _ index: Int32, _ flag: Bool, from front: Int, count: Int
  ) {
    var place = 0
    while 2 * place + 1 < count {
      var child = 2 * place + 1
      if child + 1 < count, isWorse(front + child + 1, than: front + child) { child += 1 }
      guard isWorse(front + child, than: score, index) else { break }
      scores[front + place] = scores[front + child]
      indices[front + place] = indices[front + child]
      reflected[front + place] = reflected[front + child]
      place = child
    }
    set(front + place, score, index, flag)
  }
}
