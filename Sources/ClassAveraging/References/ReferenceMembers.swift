import Execution
import ImageModel
import MPI

/// The members of this rank's reference classes.
struct ReferenceMembers {
  struct Member {
    /// Global index.
    let image: Int32
    /// How much its statistic counts in the class.
    var weight: Double
    /// What aligns the image to the reference class.
    var alignment = Alignment.identity
  }

  /// The reference classes, numbers among all.
  let references: Range<Int>
  /// The members of each, itself first.
  var lists: [[Member]]

  /// What the members of a reference class weigh in all, the mean over all reference classes; the same on any number of
  /// ranks. Collective.
  func meanWeight(references count: Int, on comm: Communicator) throws -> Double {
    let weights = lists.map { $0.reduce(0) { $0 + $1.weight } }
    // One after the other in the reference classes' order, whatever the ranks.
    return try comm.allgatherRagged(weights).reduce(0, +) / Double(count)
  }
}

/// Makes reference classes of their members, and compares the members with them.
struct ReferenceWork {
  /// The images, and what makes a class.
  let source: ImageClasses
  let rows: CoefficientStore

  private var posterior: PosteriorModel { source.posterior }
  private var groups: [Int32] { source.images.groups }
  private var comm: Communicator { source.context.comm }

  /// Reference classes whose images are aligned together: enough to fill the lanes with images of one defocus group.
  private static let together = 16

  /// The reference classes, all of them on every rank. Collective.
  /// - Parameters:
  ///   - images: the reference classes' images, in the order of the reference classes.
  ///   - correlation: how alike classes and images are taken to be.
  /// - Throws: `LAPACKError`, `MPIError`.
  func classes(of members: ReferenceMembers, images: [Int32], correlation: Double) throws
    -> ReferenceClasses
  {
    let weight = try members.meanWeight(references: images.count, on: comm)
    let common = source.information(weight: weight)
    let means = try map(members.lists.map { $0.map(\.image) }) {
      ClassPosterior(posterior)
    } body: { [posterior, groups] state, references, rows in
      try references.map { at in
        state.clear()
        for member in members.lists[at] {
          state.add(
            rows[member.image], group: Int(groups[Int(member.image)]), member.alignment,
            weight: member.weight)
        }
        var mean = try state.mean()
        posterior.toStatistic(&mean, row: 0, under: common)
        return mean
      }
    }
    return ReferenceClasses(
      images: images,
      statistics: try source.context.observer.communicating {
        try comm.allgatherRagged(Array(means.joined()))
      }, information: common, correlation: correlation)
  }

  /// Images aligned to this rank's reference classes. Collective.
  /// - Parameters:
  ///   - images: for each of the reference classes.
  ///   - before: the members of the classes: an image among them is aligned to the class without it.
  /// - Returns: in the images' order.
  func scores(
    of images: [[Int32]], with classes: ReferenceClasses, references: Range<Int>,
    without before: ReferenceMembers? = nil
  ) throws -> [[PairScore]] {
    let model = try classes.pairModel(posterior)
    let width = rows.width
    return try map(images, together: Self.together) {
      ReferenceAlignment(model)
    } body: { [groups, statistics = classes.statistics] alignment, block, rows in
      let members = block.map { at in
        Dictionary(before?.lists[at].map { ($0.image, $0) } ?? []) { first, _ in first }
      }
      return statistics.withUnsafeBufferPointer { statistics in
        alignment.scores(
          of: images[block], groups: groups, rows: rows,
          with: statistics.baseAddress! + (references.lowerBound + block.lowerBound) * width,
          width: width, without: members)
      }
    }
  }

  /// What `body` makes of each reference class's images, in parallel, some reference classes at a time. Collective.
  /// - Parameters:
  ///   - together: reference classes that `body` has at once, at most.
  ///   - body: is given a state, the reference classes' positions in `images`, and the images' rows.
  private func map<State, Result: Sendable>(
    _ images: [[Int32]], together: Int = 1, state: () -> State,
    body: @Sendable (inout State, Range<Int>, FetchedCoefficients.Rows) throws -> [Result]
  ) throws -> [Result] {
    var results: [Result] = []
    results.reserveCapacity(images.count)
    let (most, longest) = try source.context.observer.communicating {
      (
        try comm.allreduce(images.count, .maximum),
        try comm.allreduce(images.lazy.map(\.count).max() ?? 0, .maximum)
      )
    }
    let chunk =
      groups.count <= ClassSize.membersAtATime
      ? max(1, most) : max(1, ClassSize.membersAtATime / max(1, longest))
    for start in stride(from: 0, to: most, by: chunk) {
      let part = min(start, images.count)..<min(start + chunk, images.count)
      let fetched = try source.context.observer.communicating {
        try rows.fetch(Set(images[part].joined()).sorted())
      }
      let blocks = Partition.blocks(of: part.count, size: together).map {
        part.lowerBound + $0.lowerBound..<part.lowerBound + $0.upperBound
      }
      let found = try fetched.withRows { rows in
        try WorkerPool(threads: source.context.threads, items: blocks.count, state: state)
          .map(blocks.count) { state, at in try body(&state, blocks[at], rows) }
      }
      results += found.joined()
    }
    return results
  }
}

/// Aligns single images to a reference class, 16 of one defocus group at a time. One instance a thread.
private final class ReferenceAlignment {
  private let model: PairModel
  private let scorer: PairScorer
  /// The statistic that each of 16 images is compared with, [component * 2 + part][lane].
  private var classes: [SIMD16<Float>]

  init(_ model: PairModel) {
    self.model = model
    scorer = PairScorer(model: model)
    classes = .init(repeating: .zero, count: model.layout.componentCount * 2)
  }

  /// The Bayes factors of images and some reference classes, and what aligns the images to them.
  ///
  /// A member is compared with the class as if it were none: it would be compared with itself, which at low SNR
  /// makes its own class look e^2 to e^3 times as probable as it is.
  /// - Parameters:
  ///   - images: of each reference class.
  ///   - groups: the defocus groups of all images.
  ///   - rows: the images' statistics.
  ///   - statistics: those of the classes, `width` numbers each, one after the other.
  ///   - members: those that are in each class.
  /// - Returns: in the order of the images.
  func scores(
    of images: ArraySlice<[Int32]>, groups: [Int32], rows: FetchedCoefficients.Rows,
    with statistics: UnsafePointer<Float>, width: Int,
    without members: [[Int32: ReferenceMembers.Member]]
  ) -> [[PairScore]] {
    let none = PairScore(affinity: 0, alignment: .identity)
    var result = images.map { [PairScore](repeating: none, count: $0.count) }
    let items = zip(result.indices, images).flatMap { reference, images in
      images.enumerated().map {
        (group: groups[Int($1)], reference: reference, place: $0, image: $1)
      }
    }.sorted { ($0.group, $0.reference, $0.place) < ($1.group, $1.reference, $1.place) }
    let last = model.groupCount - 1
    var start = 0
    while start < items.count {
      let group = items[start].group
      let batch = items[start..<min(start + 16, items.count)].prefix { $0.group == group }
      scorer.fill(batch.count) { first, second in
        for (lane, item) in batch.enumerated() {
          let b = rows[item.image]
          second.setLane(lane, to: b, count: 2 * model.layout.componentCount)
          put(
            statistics + item.reference * width, without: members[item.reference][item.image], b,
            lane: lane)
        }
        model.weighted(classes, groups: last, Int(group), into: first)
        return model.selfTerm(of: classes, groups: last, Int(group))
          + model.selfTerm(of: second, groups: Int(group), last)
          + SIMD16(repeating: model.constants[last * model.groupCount + Int(group)])
      }
      scorer.flush { lane, score in
        let item = batch[start + lane]
        result[item.reference][item.place] = score
      }
      start = batch.endIndex
    }
    return result
  }

  /// The statistic of the class, less that of a member.
  private func put(
    _ statistic: UnsafePointer<Float>, without member: ReferenceMembers.Member?,
    _ b: UnsafePointer<Float>, lane: Int
  ) {
    classes.withUnsafeMutableBufferPointer { classes in
      let lanes = classes.baseAddress!
      lanes.setLane(lane, to: statistic, count: 2 * model.layout.componentCount)
      guard let member else { return }
      let target = UnsafeMutableRawPointer(lanes).assumingMemoryBound(to: Float.self) + lane
      member.alignment.apply(to: b, model.layout, weight: member.weight) {
        (component, re: Float, im: Float) in
        target[32 * component] -= re
        target[32 * component + 16] -= im
      }
    }
  }
}
