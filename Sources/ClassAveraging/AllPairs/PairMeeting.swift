/// Two blocks of images that meet on a rank: its own and a visitor, or its own with itself.
struct PairMeeting {
  let own: BlockPlaces
  let visitor: BlockPlaces
  /// Pairs of the first and the second block that need no comparison any more; places.
  private let settled: [PairClaim]

  /// Whether a block meets itself: each pair once.
  var isTriangle: Bool { own.range == visitor.range }
  /// Whether this rank's images are the rows: the block that comes first in the order gives them.
  let isOwnFirst: Bool
  var first: BlockPlaces { isOwnFirst ? own : visitor }
  var second: BlockPlaces { isOwnFirst ? visitor : own }

  /// - Parameter known: claims from before.
  init(own: BlockPlaces, visitor: BlockPlaces, known: PairCoverage) {
    self.own = own
    self.visitor = visitor
    isOwnFirst = own.range.lowerBound <= visitor.range.lowerBound
    let (first, second) = isOwnFirst ? (own, visitor) : (visitor, own)
    settled =
      known.claims.isEmpty ? [] : known.settled(rows: first.range, columns: second.range)
  }

  /// The settled pairs by rows of the two blocks.
  var settledRows: [PairClaim] {
    settled.map {
      PairClaim(
        images: first.rows(places: $0.images), partners: second.rows(places: $0.partners))
    }
  }

  /// What this rank's lists may claim once the images of some places have been compared with the whole second
  /// block. What was settled before is in the lists from before.
  func ownClaims(_ done: Range<Int>) -> [PairClaim] {
    let compared = PairClaim(images: done, partners: second.range)
    if isTriangle {
      return [
        compared, PairClaim(images: done.upperBound..<own.range.upperBound, partners: done),
      ]
    }
    return [isOwnFirst ? compared : compared.transposed]
  }

  /// What the lists that this rank makes for the visitor may claim: no pair that was settled before.
  func visitorClaims(_ done: Range<Int>) -> [PairClaim] {
    if isTriangle { return [] }
    let compared = PairClaim(images: done, partners: second.range)
    var claims = [isOwnFirst ? compared.transposed : compared]
    for pairs in settled {
      claims = claims.flatMap { $0.subtracting(isOwnFirst ? pairs.transposed : pairs) }
    }
    return claims
  }
}

/// The lists that a rank holds in an all-pairs pass, and what they have been offered.
struct SearchLists {
  /// Of this rank's images, a list for each row.
  var own: BestCandidates
  var coverage = PairCoverage()
  let places: BlockPlaces
  /// What was handed back last to another rank, which may not have saved it yet.
  var handedBack: ListRecord?

  init(_ places: BlockPlaces, capacity: Int) {
    own = BestCandidates(rows: places.rowCount, capacity: capacity)
    self.places = places
  }

  /// As they are between two meetings.
  var records: [ListRecord] {
    [record(own, places, coverage.claims)] + (handedBack.map { [$0] } ?? [])
  }

  private func record(_ lists: BestCandidates, _ places: BlockPlaces, _ claims: [PairClaim])
    -> ListRecord
  {
    ListRecord(
      images: places.range, claims: claims,
      words: places.compacted(lists.packed, capacity: own.capacity))
  }

  /// Enters what was found in a meeting of whose first block the places `done` are done.
  mutating func add(_ meeting: PairMeeting, done: Range<Int>, found: [TileLists]) {
    for part in found {
      if meeting.isTriangle || meeting.isOwnFirst { own.merge(part.rows) }
      if meeting.isTriangle || !meeting.isOwnFirst { own.merge(part.columns) }
    }
    for claim in meeting.ownClaims(done) { coverage.add(claim) }
  }

  /// What was found for the visitor.
  func visitors(_ meeting: PairMeeting, found: [TileLists]) -> BestCandidates {
    var lists = meeting.isOwnFirst ? found[0].columns : found[0].rows
    for part in found.dropFirst() { lists.merge(meeting.isOwnFirst ? part.columns : part.rows) }
    return lists
  }

  /// The visitor's lists as they are saved.
  func visitorRecord(_ lists: BestCandidates, _ meeting: PairMeeting, done: Range<Int>)
    -> ListRecord
  {
    record(lists, meeting.visitor, meeting.visitorClaims(done))
  }

  /// As they are in the middle of a meeting.
  func records(_ meeting: PairMeeting, done: Range<Int>, found: [TileLists]) -> [ListRecord] {
    var now = self
    now.add(meeting, done: done, found: found)
    if meeting.isTriangle { return now.records }
    return now.records
      + [visitorRecord(visitors(meeting, found: found), meeting, done: done)]
  }
}
