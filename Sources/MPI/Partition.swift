/// How `total` items are shared among `parts` ranks: contiguous slices, in rank order, whose lengths
/// differ by at most one.
public struct Partition: Sendable {
  /// All items.
  public let total: Int
  /// The number of parts.
  public let parts: Int

  /// Shares `total` items among `parts` ranks.
  public init(of total: Int, among parts: Int) {
    self.total = total
    self.parts = parts
  }

  /// The items of one part.
  public func range(of part: Int) -> Range<Int> {
    let (share, rest) = total.quotientAndRemainder(dividingBy: parts)
    let start = part * share + min(part, rest)
    return start..<start + share + (part < rest ? 1 : 0)
  }

  /// All items in blocks of `size`, the last of what is left: the same blocks on any number of ranks.
  public static func blocks(of total: Int, size: Int) -> [Range<Int>] {
    stride(from: 0, to: total, by: size).map { $0..<min(total, $0 + size) }
  }

  /// The part that owns `item`.
  public func owner(of item: Int) -> Int {
    let (share, rest) = total.quotientAndRemainder(dividingBy: parts)
    let boundary = rest * (share + 1)
    return item < boundary ? item / (share + 1) : rest + (item - boundary) / share
  }
}
