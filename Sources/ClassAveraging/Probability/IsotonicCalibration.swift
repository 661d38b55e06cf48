import Foundation

/// What log odds are worth, by cases whose outcome is known: the nondecreasing function of them that fits the outcomes
/// best (isotonic regression by pooling adjacent violators; Zadrozny, Elkan 2002), of cases in parts so that no step
/// rests on a few; linear between the parts. Parts are small at both ends, where few cases reach far. A tenth of the given log odds is mixed in: what is pooled, or lies
/// beyond the parts, keeps its order.
struct IsotonicCalibration {
  /// Mean log odds of the parts, ascending, and what they are worth.
  private let points: [(given: Double, worth: Double)]

  /// Parts are no smaller.
  private static let leastCases = 200
  /// Parts within are of this share of all, if that is more.
  private static let share = 0.02
  /// How much of the given log odds is left.
  private static let kept = 0.1

  /// - Parameters:
  ///   - logOdds: of each case, finite.
  ///   - isTrue: the outcome of each.
  init(_ logOdds: [Double], isTrue: [Bool]) {
    precondition(logOdds.count == isTrue.count)
    let count = logOdds.count
    // One part says no more than the fit itself.
    if count < 2 * Self.leastCases {
      points = []
      return
    }
    let order = logOdds.indices.sorted { (logOdds[$0], $0) < (logOdds[$1], $1) }
    /// Neighbouring parts with the same share of true cases.
    var pools: [(given: [Double], cases: Int, successes: Int)] = []
    for part in Self.parts(of: count) {
      let cases = order[part]
      var pool = (
        given: [cases.reduce(0) { $0 + logOdds[$1] } / Double(cases.count)], cases: cases.count,
        successes: cases.count { isTrue[$0] }
      )
      while let last = pools.last, last.successes * pool.cases >= pool.successes * last.cases {
        pool = (
          last.given + pool.given, last.cases + pool.cases, last.successes + pool.successes
        )
        pools.removeLast()
      }
      pools.append(pool)
    }
    points = pools.flatMap { pool in
      // Half a case each way: finite where all outcomes are the same.
      let worth = log(
        (Double(pool.successes) + 0.5) / (Double(pool.cases - pool.successes) + 0.5))
      return pool.given.map { (given: $0, worth: worth) }
    }
  }

  /// Each end twice as large as the one before, from the least to the share within.
  static func parts(of count: Int) -> [Range<Int>] {
    let most = max(leastCases, Int(share * Double(count)))
    var ends: [Int] = []
    var size = leastCases
    while size < most && 2 * (ends.reduce(0, +) + size) <= count - most {
      ends.append(size)
      size *= 2
    }
    let within = count - 2 * ends.reduce(0, +)
    let equal = max(1, within / most)
    let sizes =
      ends + (0..<equal).map { ($0 + 1) * within / equal - $0 * within / equal }
      + ends.reversed()
    var start = 0
    return sizes.map { size in
      defer { start += size }
      return start..<start + size
    }
  }

  func callAsFunction(_ logOdds: Double) -> Double {
    Self.kept * logOdds + (1 - Self.kept) * worth(logOdds)
  }

  /// Beyond the first and the last part it stays what it is there.
  private func worth(_ logOdds: Double) -> Double {
    guard let first = points.first, let last = points.last else { return logOdds }
    if logOdds <= first.given { return first.worth }
    if logOdds >= last.given { return last.worth }
    let next = points.firstIndex { $0.given > logOdds }!
    let (a, b) = (points[next - 1], points[next])
    return a.worth + (b.worth - a.worth) * (logOdds - a.given) / (b.given - a.given)
  }
}
