/// Claims to the pairs of some images.
struct ComparedRectangles {
  private(set) var claims: [ComparedRectangle] = []

  /// Adds a claim; those that it contains go, and one that continues it becomes one with it.
  mutating func add(_ claim: ComparedRectangle) {
    if claims.contains(where: { $0.contains(claim) }) || claim.isEmpty { return }
    var claim = claim
    var isGrowing = true
    while isGrowing {
      claims.removeAll { claim.contains($0) }
      isGrowing = false
      for (at, other) in claims.enumerated()
      where other.images == claim.images && other.partners.touches(claim.partners)
        || other.partners == claim.partners && other.images.touches(claim.images)
      {
        claim = ComparedRectangle(
          images: claim.images.union(other.images), partners: claim.partners.union(other.partners))
        claims.remove(at: at)
        isGrowing = true
        break
      }
    }
    claims.append(claim)
  }

  /// Pairs of an image with a partner, about: where claims overlap they count more than once.
  var area: Int { claims.reduce(0) { $0 + $1.images.count * $1.partners.count } }

  /// The pairs of `rows` with `columns` that both sides claim, in rectangles.
  func settled(rows: Range<Int>, columns: Range<Int>) -> [ComparedRectangle] {
    let block = ComparedRectangle(images: rows, partners: columns)
    let first = claims.map { $0.intersection(block) }.filter { !$0.isEmpty }
    let second = claims.map { $0.transposed.intersection(block) }.filter { !$0.isEmpty }
    var settled = ComparedRectangles()
    for one in first { for other in second { settled.add(one.intersection(other)) } }
    return settled.claims
  }
}

extension Range<Int> {
  /// Whether the union is one range.
  fileprivate func touches(_ other: Range<Int>) -> Bool {
    lowerBound <= other.upperBound && other.lowerBound <= upperBound
  }

  fileprivate func union(_ other: Range<Int>) -> Range<Int> {
    Swift.min(lowerBound, other.lowerBound)..<Swift.max(upperBound, other.upperBound)
  }
}
