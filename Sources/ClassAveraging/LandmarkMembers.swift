import MPI

/// The members of the classes of this rank's landmarks.
struct LandmarkMembers {
  struct Member {
    /// Global index.
    let image: Int32
    /// How much its statistic counts in the class.
    var weight: Double
    /// Radians: rotating the image (reflected first where `isReflected`) by this angle aligns it to the landmark.
    var rotation: Float = 0
    var isReflected = false
  }

  /// The landmarks, numbers among all.
  let landmarks: Range<Int>
  /// The members of each, itself first.
  var lists: [[Member]]

  /// What the members of a landmark's class weigh in all, the mean over all landmarks; the same on any number of
  /// ranks. Collective.
  func meanWeight(landmarks count: Int, on comm: Communicator) throws -> Double {
    let weights = lists.map { $0.reduce(0) { $0 + $1.weight } }
    // One after the other in the landmarks' order, whatever the ranks.
    return try comm.allgatherRagged(weights).reduce(0, +) / Double(count)
  }
}

/// Makes classes of landmarks of their members, and compares the members with them.
struct LandmarkWork {
  let passes: ClassPasses
  let rows: DistributedRows

  private var posterior: PosteriorModel { passes.posterior }
  private var groups: [Int32] { passes.groups }
  private var comm: Communicator { passes.comm }

  /// Landmarks whose members are fetched at a time.
  private static let chunk = 256

  /// The classes, those of all landmarks on every rank. Collective.
  /// - Parameters:
  ///   - images: the landmarks' images, in the order of the landmarks.
  ///   - correlation: how alike classes and images are taken to be.
  /// - Throws: `LAPACKError`, `MPIError`.
  func classes(of members: LandmarkMembers, images: [Int32], correlation: Double) throws
    -> LandmarkClasses
  {
    let weight = try members.meanWeight(landmarks: images.count, on: comm)
    let common = passes.information(weight: weight)
    let means = try map(members.lists.map { $0.map(\.image) }) {
      Box(ClassPosterior(posterior))
    } body: { state, at, row in
      state.value.clear()
      for member in members.lists[at] {
        state.value.add(
          row(member.image), group: Int(groups[Int(member.image)]), rotation: member.rotation,
          reflected: member.isReflected, weight: member.weight)
      }
      var mean = try state.value.mean()
      passes.restate(&mean, row: 0, under: common)
      return mean
    }
    return LandmarkClasses(
      images: images, statistics: try comm.allgatherRagged(Array(means.joined())),
      information: common, correlation: correlation)
  }

  /// Images aligned to the classes of this rank's landmarks. Collective.
  /// - Parameters:
  ///   - images: for each of the landmarks.
  ///   - before: the members of the classes: an image among them is aligned to the class without it.
  /// - Returns: in the images' order.
  func scores(
    of images: [[Int32]], with classes: LandmarkClasses, landmarks: Range<Int>,
    without before: LandmarkMembers? = nil
  ) throws -> [[PairScore]] {
    let model = try classes.pairModel(posterior)
    let width = rows.width
    return try map(images) {
      LandmarkAlignment(model)
    } body: { state, at, row in
      let start = (landmarks.lowerBound + at) * width
      let statistic = Array(classes.statistics[start..<start + width])
      var isMember: [Int32: LandmarkMembers.Member] = [:]
      for member in before?.lists[at] ?? [] { isMember[member.image] = member }
      for image in images[at] {
        let b = row(image)
        let group = Int(groups[Int(image)])
        if let member = isMember[image] {
          state.add(b, group: group, to: self.statistic(statistic, without: member, b))
        } else {
          state.add(b, group: group, to: statistic)
        }
      }
      return state.takeScores()
    }
  }

  /// The statistic of a class as if an image were no member of it: the image would be compared with itself, which
  /// at low SNR makes its own class look e^2 to e^3 times as probable as it is.
  private func statistic(
    _ statistic: [Float], without member: LandmarkMembers.Member, _ b: UnsafePointer<Float>
  ) -> [Float] {
    var result = statistic.map { Double($0) }
    posterior.layout.add(
      b, rotation: member.rotation, reflected: member.isReflected, weight: -member.weight,
      to: &result)
    return result.map { Float($0) }
  }

  /// What `body` makes of each landmark's images, in parallel, some landmarks at a time. Collective.
  /// - Parameter body: is given a state, the landmark's place in `images`, and what finds an image's row.
  private func map<State, Result>(
    _ images: [[Int32]], state: () -> State,
    body: (State, Int, (Int32) -> UnsafePointer<Float>) throws -> Result
  ) throws -> [Result] {
    var results: [Result] = []
    results.reserveCapacity(images.count)
    for start in stride(from: 0, to: try comm.allreduce(images.count, .maximum), by: Self.chunk) {
      let part = min(start, images.count)..<min(start + Self.chunk, images.count)
      let needed = Set(images[part].joined()).sorted()
      let values = try passes.observer.communicating { try rows.fetch(needed) }
      var place: [Int32: Int] = [:]
      for (at, image) in needed.enumerated() { place[image] = at * rows.width }
      var found = [Result?](repeating: nil, count: part.count)
      let failures = FailureBox()
      values.withUnsafeBufferPointer { values in
        found.withUnsafeMutableBufferPointer { found in
          nonisolated(unsafe) let (found, body) = (found, body)
          let place = place
          parallelFor(part.count, threads: passes.threads, state: state) { state, at in
            do {
              found[at] = try body(state, part.lowerBound + at) {
                values.baseAddress! + place[$0]!
              }
            } catch { failures.record(error) }
          }
        }
      }
      try failures.rethrow()
      results += found.map { $0! }
    }
    return results
  }
}

/// Aligns single images to landmarks, 16 at a time. One instance a thread.
private final class LandmarkAlignment {
  private let model: PairModel
  private let scorer: PairScorer
  private var weighted: [Float]
  private var scores: [PairScore] = []

  init(_ model: PairModel) {
    self.model = model
    scorer = PairScorer(model: model)
    weighted = .init(repeating: 0, count: model.layout.componentCount * 2)
  }

  /// Adds a class and an image of group `group` with statistic `b`.
  func add(_ b: UnsafePointer<Float>, group: Int, to statistic: [Float]) {
    let last = model.groupCount - 1
    model.weighted(statistic, groups: last, group, into: &weighted)
    scorer.add(
      weighted: weighted, second: b,
      offset: model.constants[last * model.groupCount + group]
        + model.selfTerm(of: statistic, groups: last, group)
        + model.selfTerm(of: b, groups: group, last))
    if scorer.isFull { flush() }
  }

  /// The Bayes factors of the pairs added, in their order, and what aligns the images to the classes.
  func takeScores() -> [PairScore] {
    flush()
    defer { scores.removeAll(keepingCapacity: true) }
    return scores
  }

  private func flush() { scorer.flush { _, score in scores.append(score) } }
}
