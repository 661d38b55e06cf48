/// How `total` items are shared among `parts` ranks: contiguous slices, in rank order, whose lengths
/// differ by at most one.
public struct Partition: Sendable {
  public let total: Int
  public let parts: Int

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

  /// The blocks of one part where the items are dealt out in blocks of `size`, the last of what is left: the same
  /// blocks for any number of parts.
  public static func blocks(of total: Int, size: Int, among parts: Int, part: Int) -> [Range<Int>] {
    Partition(of: (total + size - 1) / size, among: parts).range(of: part)
      .map { $0 * size..<min(total, ($0 + 1) * size) }
  }

  /// The part that owns `item`.
  public func owner(of item: Int) -> Int {
    let (share, rest) = total.quotientAndRemainder(dividingBy: parts)
    let boundary = rest * (share + 1)
    return item < boundary ? item / (share + 1) : rest + (item - boundary) / share
  }
}
