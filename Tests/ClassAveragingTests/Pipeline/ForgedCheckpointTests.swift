import Foundation
import ImageModel
import MPI
import TestSupport
import Testing
import Volumes

@testable import ClassAveraging
@testable import Resume

/// Checkpoints whose checksums are right and whose content is not: they are named and not used, or what is made of
/// them fits together.
@Suite(.serialized, .timeLimit(.minutes(2)))
final class ForgedCheckpointTests {
  private static let (images, k) = (24, 3)
  private let folder: TemporaryFolder
  private let comm: Communicator
  private var lines: [String] = []

  init() throws {
    folder = try TemporaryFolder()
    comm = try testWorld().split(colour: testWorld().rank, key: 0)
  }

  private func checkpoints() throws -> Checkpoints {
    Checkpoints(
      path: folder.file("checkpoints"),
      sources: Checkpoints.sources(input: ["input": "test"], AverageOptions()),
      isResuming: true, interval: 0, stop: try StopRequest(on: comm), on: comm
    ) { self.lines.append($0) }
  }

  /// Neighbours, all of which are there.
  private var table: NeighbourTable {
    var table = NeighbourTable(count: Self.images, neighboursPerImage: Self.k)
    for entry in table.indices.indices {
      table.indices[entry] = Int32((entry / Self.k + 1 + entry % Self.k) % Self.images)
      table.affinities[entry] = -Float(entry % Self.k)
      table.alignments[entry] = Alignment(
        rotation: Float(entry) / 7, isReflected: entry % 2 == 1)
    }
    return table
  }

  /// Changes words of a checkpoint, one at a time, and cuts it short at them.
  /// - Parameters:
  ///   - always: words at the beginning that cannot be others.
  ///   - restore: whether it is used; looks at what is made of it.
  private func forge(_ name: String, always: Int, _ restore: () throws -> Bool) throws {
    let forged = try ForgedCheckpoint(path: folder.file("checkpoints/\(name)"))
    func isUsed() throws -> Bool {
      lines = []
      let isUsed = try restore()
      let isNamed = lines.contains {
        $0.hasPrefix("not used: \(folder.path)/checkpoints/\(name): ")
      }
      #expect(isNamed != isUsed, "\(lines)")
      return isUsed
    }
    #expect(try isUsed())
    // Counts are at the beginning and between arrays, whose own words are much alike.
    let places = (0..<forged.wordCount).filter {
      $0 < 2 * always || $0 % 11 == 0 || abs(forged.word($0)) < 1000
    }
    for (at, place) in places.enumerated() {
      for (number, word) in forgedWords.enumerated()
      where word != forged.word(place) && (place < always || (at + number) % 3 == 0) {
        try forged.write(word, at: place)
        let isUsed = try isUsed()
        #expect(place >= always || !isUsed, "\(word) at \(place)")
      }
    }
    for words in places {
      try forged.write(words: words)
      #expect(try !isUsed(), "\(words) words")
    }
    try forged.restore()
    #expect(try isUsed())
  }

  private func expectSound(_ table: NeighbourTable) {
    #expect(table.count == Self.images && table.neighboursPerImage == Self.k)
    for (at, index) in table.indices.enumerated() {
      #expect(index >= -1 && index < Self.images && table.alignments[at].rotation.isFinite)
      #expect(index < 0 || !table.affinities[at].isNaN)
    }
    for count in [table.indices.count, table.affinities.count, table.alignments.count] {
      #expect(count == Self.images * Self.k)
    }
  }

  @Test func neighboursAfterAPass() throws {
    let order = try #require(LocalityOrder((0..<Int32(Self.images)).reversed()))
    let reports = [RefinementReport(pass: 2, correlation: 0.9, weight: 2, kept: 0.8)]
    let checkpoints = try checkpoints()
    try checkpoints.save(.init(number: 2, table: table, reports: reports, order: order))
    // The pass, images, neighbours of each, and how many that is.
    try forge("pass-2", always: 4) {
      let pass = try checkpoints.restoredPass(images: Self.images, neighbours: 2)
      if let pass {
        expectSound(pass.table)
        #expect(
          pass.reports.map(\.pass) == [2] && [nil, Self.images].contains(pass.order?.images.count))
      }
      return pass != nil
    }
  }

  @Test func neighboursInTheEnd() throws {
    let checkpoints = try checkpoints()
    try checkpoints.save(neighbours: table, reports: [])
    try forge("neighbours", always: 4) {
      let saved = try checkpoints.restoredNeighbours(images: Self.images, neighbours: Self.k)
      if let saved { expectSound(saved.0) }
      return saved != nil
    }
  }

  @Test func landmarks() throws {
    let posterior = try SmallModel(seed: 3).posterior(on: comm)
    let width = 2 * posterior.layout.componentCount
    let checkpoints = try checkpoints()
    try checkpoints.save(
      ReferenceClasses(
        images: [2, 5, 7, 20], statistics: (0..<4 * width).map { Float($0) },
        information: posterior.information[0], correlation: 0.9), refinements: 1)
    // Refinements, and the number of reference classes.
    try forge("landmarks-1", always: 2) {
      let saved = try checkpoints.restoredReferences(
        images: Self.images, layout: posterior.layout, refinements: 2)
      if let saved {
        #expect(saved.refinements == 1)
        #expect(saved.classes.images.allSatisfy { 0 <= $0 && $0 < Self.images })
        #expect(saved.classes.statistics.count == width * saved.classes.images.count)
        #expect(saved.classes.statistics.allSatisfy { $0.isFinite })
        #expect(saved.classes.information.map(\.rows) == posterior.layout.squares.map(\.rows))
      }
      return saved != nil
    }
  }

  @Test func membersOfLandmarks() throws {
    let members = ReferenceMembers(
      references: 0..<4,
      lists: (0..<4).map { landmark in
        (0..<2).map {
          ReferenceMembers.Member(
            image: Int32(landmark + $0), weight: 0.5, alignment: Alignment(rotation: 1))
        }
      })
    let (checkpoints, table) = (try checkpoints(), table)
    try checkpoints.save(members, round: 1, from: table)
    // The round, the number of reference classes, and how many members they have.
    try forge("shared-1", always: 4) {
      let saved = try checkpoints.restoredMembers(
        from: table, references: 4, own: 0..<4, rounds: 2)
      if let saved {
        #expect(saved.round == 1 && saved.members.lists.count == 4)
        for member in saved.members.lists.joined() {
          #expect(
            member.image >= 0 && member.image < Self.images && member.alignment.rotation.isFinite)
          #expect(member.weight >= 0 && member.weight <= 1)
        }
      }
      return saved != nil
    }
  }

  @Test func volume() throws {
    let (checkpoints, table) = (try checkpoints(), table)
    try checkpoints.save(
      SimulatedVolume(coefficients: (0..<18).map { Float($0) }, degree: 2, rank: 2), from: table)
    try forge("shared-volume", always: 3) {
      let saved = try checkpoints.restoredVolume(from: table, degree: 2, rank: 2)
      #expect(saved?.coefficients.allSatisfy { $0.isFinite } != false)
      return saved != nil
    }
  }

  /// A run that resumes writes what it has found as a part of its own: only the one that was forged is looked at.
  private func keepOnly(_ part: String) throws {
    for name in folder.names(in: "checkpoints") where name != part {
      try FileManager.default.removeItem(atPath: folder.file("checkpoints/\(name)"))
    }
  }

  @Test func listsOfNeighbours() throws {
    let checkpoints = try checkpoints()
    let partition = Partition(of: Self.images, among: 1)
    func lists() throws -> SavedLists<NeighbourTable> {
      try SavedLists(
        NeighbourTable(count: Self.images, neighboursPerImage: Self.k), naming: Self.images,
        of: partition,
        parts: CheckpointParts(
          checkpoints, name: "pass-1", title: "a pass", identity: checkpoints.searchIdentity),
        on: comm)
    }
    var first = try lists()
    first.lists = table
    first.markDone(0..<Self.images)
    try first.save()
    // Words of a row, chunks, images of the first.
    try forge("pass-1-rank-0-1", always: 3) {
      let found = try lists()
      expectSound(found.lists)
      try keepOnly("pass-1-rank-0-1")
      return found.missing.isEmpty
    }
  }

  @Test func listsOfLandmarks() throws {
    let checkpoints = try checkpoints()
    let landmarks = 5
    func lists() throws -> SavedLists<BestReferences> {
      try SavedLists(
        BestReferences(images: 0..<Self.images, capacity: 2), naming: landmarks,
        of: Partition(of: Self.images, among: 1),
        parts: CheckpointParts(
          checkpoints, name: "landmarks-0", title: "landmarks",
          identity: checkpoints.searchIdentity), on: comm)
    }
    var first = try lists()
    for entry in first.lists.references.indices {
      first.lists.references[entry] = Int32(entry % landmarks)
      first.lists.scores[entry] = Float(entry)
    }
    first.markDone(0..<Self.images)
    try first.save()
    try forge("landmarks-0-rank-0-1", always: 3) {
      let found = try lists()
      #expect(found.lists.references.allSatisfy { $0 >= -1 && $0 < landmarks })
      try keepOnly("landmarks-0-rank-0-1")
      return found.missing.isEmpty
    }
  }

  @Test func listsOfAllPairs() throws {
    let checkpoints = try checkpoints()
    let (count, capacity) = (32, 2)
    let partition = Partition(of: count, among: 1)
    let laneGroups = PairBlock.laneGroups(of: partition, groups: .init(repeating: 0, count: count))
    func search() -> SearchCheckpoint { checkpoints.search(pass: 1) }
    var best = BestCandidates(rows: count, capacity: capacity)
    for row in 0..<count {
      best.offer(row: row, index: Int32((row + 1) % count), score: 1, reflected: row % 2 == 0)
    }
    let rectangle = ComparedRectangle(images: 0..<count, partners: 0..<16)
    try search().save([ListRecord(images: 0..<count, compared: [rectangle], words: best.packed)])
    // Records, first and last image, numbers of what the lists have been offered.
    try forge("pass-1-rank-0-1", always: 4) {
      var lists = SearchLists(BlockPositions(laneGroups[0], range: 0..<count), capacity: capacity)
      let known = try search().restore(into: &lists, shares: partition)
      for rectangle in known.rectangles {
        #expect(rectangle.images.upperBound <= count && rectangle.partners.upperBound <= count)
      }
      #expect(lists.own.indices.allSatisfy { $0 >= -1 && $0 < count })
      try keepOnly("pass-1-rank-0-1")
      return !known.rectangles.isEmpty || lists.own.indices.contains { $0 >= 0 }
    }
  }
}
