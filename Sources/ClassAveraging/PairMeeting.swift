/// Two blocks of images that meet on a rank: its own and a visitor, or its own with itself.
struct PairMeeting {
  /// Places of the images in the search's order.
  let own: Range<Int>
  let visitor: Range<Int>
  /// The rows that are compared here, all of them with all of the other block's columns; places.
  let rows: Range<Int>
  /// Pairs of rows and columns that need no comparison any more; places.
  let settled: [PairClaim]

  /// Whether a block meets itself: each pair once.
  var isTriangle: Bool { own == visitor }
  /// Whether this rank's images are the rows: the block that comes first in the order gives them.
  var isOwnFirst: Bool { own.lowerBound <= visitor.lowerBound }
  var first: Range<Int> { isOwnFirst ? own : visitor }
  var second: Range<Int> { isOwnFirst ? visitor : own }

  /// - Parameters:
  ///   - isShared: whether the other rank has the same two blocks, and half of the work.
  ///   - known: claims from before.
  init(own: Range<Int>, visitor: Range<Int>, isShared: Bool, known: PairCoverage) {
    self.own = own
    self.visitor = visitor
    let isOwnFirst = own.lowerBound <= visitor.lowerBound
    let first = isOwnFirst ? own : visitor
    let middle = first.lowerBound + first.count / 2
    if !isShared {
      rows = first
    } else if isOwnFirst {
      rows = first.lowerBound..<middle
    } else {
      rows = middle..<first.upperBound
    }
    settled =
      known.claims.isEmpty
      ? [] : known.settled(rows: rows, columns: isOwnFirst ? visitor : own)
  }

  /// The settled pairs by rows and columns of the two blocks.
  var settledInBlocks: [PairClaim] {
    settled.map {
      PairClaim(
        images: $0.images.lowerBound - first.lowerBound..<$0.images.upperBound - first.lowerBound,
        partners: $0.partners.lowerBound - second.lowerBound..<$0.partners.upperBound
          - second.lowerBound)
    }
  }

  /// What this rank's lists may claim once `rows` (places) have been compared with all columns. What was
  /// settled before is in the lists from before.
  func ownClaims(rows: Range<Int>) -> [PairClaim] {
    let compared = PairClaim(images: rows, partners: second)
    if isTriangle {
      return [compared, PairClaim(images: rows.upperBound..<own.upperBound, partners: rows)]
    }
    return [isOwnFirst ? compared : compared.transposed]
  }

  /// What the lists that this rank makes for the visitor may claim: no pair that was settled before.
  func visitorClaims(rows: Range<Int>) -> [PairClaim] {
    if isTriangle { return [] }
    let compared = PairClaim(images: rows, partners: second)
    var claims = [isOwnFirst ? compared.transposed : compared]
    for pairs in settled {
      claims = claims.flatMap { $0.subtracting(isOwnFirst ? pairs.transposed : pairs) }
    }
    return claims
  }
}

/// The lists that a rank holds in an all-pairs pass, and what they have been offered.
struct SearchLists {
  /// Of this rank's images.
  var own: BestCandidates
  var coverage = PairCoverage()
  let images: Range<Int>
  /// What was handed back last to another rank, which may not have saved it yet.
  var handedBack: ListRecord?

  init(images: Range<Int>, capacity: Int) {
    own = BestCandidates(rows: images.count, capacity: capacity)
    self.images = images
  }

  /// As they are between two meetings.
  var records: [ListRecord] {
    [ListRecord(images: images, claims: coverage.claims, words: own.packed)]
      + (handedBack.map { [$0] } ?? [])
  }

  /// As they are after some rows (places) of a meeting. `found` by each thread.
  func records(_ meeting: PairMeeting, rows: Range<Int>, found: [TileLists]) -> [ListRecord] {
    var now = self
    var visitor = BestCandidates(rows: meeting.visitor.count, capacity: own.capacity)
    for part in found {
      if meeting.isTriangle {
        now.own.merge(part.rows)
        now.own.merge(part.columns)
      } else {
        now.own.merge(meeting.isOwnFirst ? part.rows : part.columns)
        visitor.merge(meeting.isOwnFirst ? part.columns : part.rows)
      }
    }
    for claim in meeting.ownClaims(rows: rows) { now.coverage.add(claim) }
    if meeting.isTriangle { return now.records }
    return now.records + [
      ListRecord(
        images: meeting.visitor, claims: meeting.visitorClaims(rows: rows), words: visitor.packed)
    ]
  }
}
