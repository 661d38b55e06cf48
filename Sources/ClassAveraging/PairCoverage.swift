/// Which pairs have been offered to which lists, as rectangles: images are numbered by their place in the
/// search's order.
///
/// A claim says that the lists of `images`, where it is kept, are what they are after being offered all of
/// `partners`. It is about one side only: a pair needs no more work where both of its images' lists claim
/// the other. So a claim stays right whatever becomes of the lists of other images.
struct PairClaim: Equatable {
  var images: Range<Int>
  var partners: Range<Int>

  var isEmpty: Bool { images.isEmpty || partners.isEmpty }

  func intersection(_ other: PairClaim) -> PairClaim {
    PairClaim(
      images: images.clamped(to: other.images), partners: partners.clamped(to: other.partners))
  }

  func contains(_ other: PairClaim) -> Bool {
    other.isEmpty || intersection(other) == other
  }

  /// The other side's claim to the same pairs.
  var transposed: PairClaim { PairClaim(images: partners, partners: images) }

  /// What is left without `other`: at most four rectangles.
  func subtracting(_ other: PairClaim) -> [PairClaim] {
    let common = intersection(other)
    if common.isEmpty { return isEmpty ? [] : [self] }
    return [
      PairClaim(images: images.lowerBound..<common.images.lowerBound, partners: partners),
      PairClaim(images: common.images.upperBound..<images.upperBound, partners: partners),
      PairClaim(
        images: common.images, partners: partners.lowerBound..<common.partners.lowerBound),
      PairClaim(
        images: common.images, partners: common.partners.upperBound..<partners.upperBound),
    ].filter { !$0.isEmpty }
  }
}

/// Claims to the pairs of some images.
struct PairCoverage {
  private(set) var claims: [PairClaim] = []

  /// Adds a claim; those that it contains go, and one that continues it becomes one with it.
  mutating func add(_ claim: PairClaim) {
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
        claim = PairClaim(
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
  func settled(rows: Range<Int>, columns: Range<Int>) -> [PairClaim] {
    let block = PairClaim(images: rows, partners: columns)
    let first = claims.map { $0.intersection(block) }.filter { !$0.isEmpty }
    let second = claims.map { $0.transposed.intersection(block) }.filter { !$0.isEmpty }
    var settled = PairCoverage()
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
