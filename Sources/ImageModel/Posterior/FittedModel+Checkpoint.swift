import LinearAlgebra
import MPI
import ParticleIO
import Resume

extension Checkpoints {
  /// Saves the model and the statistics of all images, each rank its own. Collective.
  package func save(_ model: FittedModel) throws {
    let own = model.partition.range(of: comm.rank)
    let writer = try comm.agree {
      try meter.timing {
        let writer = comm.isRoot ? try self.writer("model", modelIdentity) : nil
        try writer?.add(model)
        return writer
      }
    }
    setModel(try comm.broadcast(writer?.content.text ?? ""))
    try comm.agree {
      try write("statistics-\(own.lowerBound)-\(own.upperBound)", statisticsIdentity) { part in
        let statistics = model.statistics
        for number in [own.lowerBound, own.count, 2 * statistics.layout.componentCount] {
          try part.add(number)
        }
        for start in stride(from: 0, to: own.count, by: Self.chunk) {
          try part.add(statistics.rows(start..<min(start + Self.chunk, own.count)))
        }
      }
    }
    // Last: where it is there, all is.
    try comm.agree { if let writer { try meter.timing { try finish(writer) } } }
  }

  /// Images whose statistics are written at once.
  private static var chunk: Int { 4096 }

  private var statisticsIdentity: CheckpointIdentity {
    modelIdentity.merging(["model": modelKeyText]) { $1 }
  }

  private var modelKeyText: String { searchIdentity["model"] ?? "" }

  /// The model that was saved, with this rank's images; nil where there is none that can be used.
  /// Collective.
  package func restoredModel(_ set: ParticleSet, options: ModelOptions) throws -> FittedModel? {
    guard isResuming, try names(prefix: "model").contains("model") else { return nil }
    // Every rank reads: it is small beside the images.
    var lines: [String] = []
    let saved = try reading("model", modelIdentity, &lines) { reader in
      (try SavedModel(&reader, of: set, options: options), reader.content.text)
    }
    try tell(lines)
    let isUsable = try comm.allreduce(saved == nil ? 0 : 1, .minimum) == 1
    guard isUsable, let (model, key) = saved else { return nil }
    setModel(key)

    let partition = Partition(of: model.survey.particles.particles.count, among: comm.size)
    guard let statistics = try restoredStatistics(partition, layout: model.posterior.layout) else {
      return nil
    }
    say("resuming with the model of \(partition.total) images")
    try comm.agree { try reserveBLASMemory(threads: options.threads) }
    return FittedModel(model, statistics: statistics, partition: partition)
  }

  /// The statistics of this rank's images; nil on all ranks where some image's are missing. Collective.
  private func restoredStatistics(_ partition: Partition, layout: AngularLayout) throws
    -> SteerableCoefficients?
  {
    let own = partition.range(of: comm.rank)
    let width = 2 * layout.componentCount
    var statistics = SteerableCoefficients(layout: layout, count: own.count)
    var isThere = [Bool](repeating: false, count: own.count)
    let files = try names(prefix: "statistics-")
    var lines: [String] = []
    for round in stride(from: 0, to: files.count, by: comm.size) {
      var part = (first: 0, rows: [Float]())
      if round + comm.rank < files.count {
        let name = files[round + comm.rank]
        part =
          try reading(name, statisticsIdentity, &lines) { reader -> (Int, [Float]) in
            let (first, count, itsWidth) = (
              try reader.int(), try reader.int(), try reader.int()
            )
            guard itsWidth == width, first >= 0, count >= 0, first <= partition.total,
              count <= partition.total - first
            else { throw CheckpointDefect(path: reader.path, "is of other images") }
            var values: [Float] = []
            values.reserveCapacity(count * width)
            for start in stride(from: 0, to: count, by: Self.chunk) {
              values += try reader.floats(min(Self.chunk, count - start) * width)
            }
            return (first, values)
          } ?? part
      }
      try partition.scatter(first: part.first, values: part.rows, width: width, on: comm) {
        image, row in
        let at = image - own.lowerBound
        row.withUnsafeBufferPointer { statistics.setRows($0, from: at) }
        isThere[at] = true
      }
    }
    let missing = try comm.allreduce(isThere.count { !$0 })
    if missing > 0 && comm.isRoot {
      lines.append(
        "not used: \(file("model")): the statistics of \(missing) images are missing")
    }
    try tell(lines)
    return missing == 0 ? statistics : nil
  }
}

/// What is saved of a model beside the images' statistics, and what follows from it and the input.
private struct SavedModel {
  let survey: ImageSurvey
  let unexplained: Int
  let areDark: Bool
  let keepsContrast: Bool
  let groups: DefocusGroups
  let basis: FourierBesselBasis
  let estimate: MeanAndCovariance
  let posterior: PosteriorModel
}

extension CheckpointWriter {
  fileprivate func add(_ model: FittedModel) throws {
    try add(model.survey)
    try add(model.unexplained)
    try add(model.areDark ? 1 : 0)
    let estimate = model.estimate
    try add(estimate.mean)
    try add(estimate.covariance)
    try add(estimate.debiased)
    try add(estimate.ranks)
    try add(estimate.isBelowNoise ? 1 : 0)
    let posterior = model.posterior
    try add(posterior.layout.frequencies)
    try add(
      (0..<posterior.layout.blockCount).map { posterior.layout.components(ofBlock: $0).count })
    try add(posterior.mean)
    try add(posterior.synthesis)
    for list in posterior.eigenvalues { try add(list) }
    try add(posterior.groupCount)
    for blocks in posterior.information + posterior.covariance { try add(blocks) }
    for list in posterior.meanStatistic { try add(list) }
  }

  package func add(_ matrices: [Matrix]) throws {
    try add(matrices.count)
    for matrix in matrices {
      for number in [matrix.rows, matrix.columns] { try add(number) }
      try add(matrix.storage)
    }
  }
}

extension SavedModel {
  /// Reads what `CheckpointWriter.add` wrote.
  init(_ reader: inout CheckpointReader, of set: ParticleSet, options: ModelOptions) throws {
    survey = try ImageSurvey(&reader, of: set)
    unexplained = try reader.int()
    try reader.require(0...set.particles.count ~= unexplained)
    let dark = try reader.int()
    try reader.require(0...1 ~= dark)
    areDark = dark == 1
    keepsContrast = options.keepsContrast
    groups = DefocusGroups(
      of: survey.particles.particles, pixelSize: set.pixelSize, limit: options.defocusGroups)
    basis = FourierBesselBasis(
      size: set.boxSize, bandLimit: survey.bandLimit, radius: survey.radius)
    try reader.require(basis.layout.componentCount > 0)
    estimate = try MeanAndCovariance(&reader, basis: basis)
    posterior = try PosteriorModel(
      &reader, basis: basis, groups: groups.count, noiseVariance: survey.whiteVariance)
  }
}

extension CheckpointReader {
  /// What `CheckpointWriter.add` wrote of matrices, of known shapes and without NaN and infinity.
  package mutating func matrices(_ shapes: [(rows: Int, columns: Int)]) throws -> [Matrix] {
    try require(try count() == shapes.count)
    return try shapes.map { rows, columns in
      let (itsRows, itsColumns) = (try int(), try int())
      try require(itsRows == rows && itsColumns == columns)
      return Matrix(rows: rows, columns: columns, storage: try numbers(rows * columns))
    }
  }
}

extension AngularLayout {
  /// The shapes of a matrix for each block, as many rows and columns as the block has components.
  package var squares: [(rows: Int, columns: Int)] {
    (0..<blockCount).map { (components(ofBlock: $0).count, components(ofBlock: $0).count) }
  }
}

extension FittedModel {
  /// A model as it was saved.
  /// - Parameter statistics: of this rank's images.
  fileprivate init(
    _ saved: SavedModel, statistics: SteerableCoefficients, partition: Partition
  ) {
    survey = saved.survey
    unexplained = saved.unexplained
    areDark = saved.areDark
    keepsContrast = saved.keepsContrast
    groups = saved.groups
    basis = saved.basis
    estimate = saved.estimate
    posterior = saved.posterior
    self.statistics = statistics
    self.partition = partition
  }
}

extension MeanAndCovariance {
  fileprivate init(_ reader: inout CheckpointReader, basis: FourierBesselBasis) throws {
    let shapes = basis.layout.squares
    mean = try reader.numbers(shapes[0].rows)
    covariance = try reader.matrices(shapes)
    debiased = try reader.matrices(shapes)
    let ranks: [Int] = try reader.array()
    try reader.require(
      ranks.count == shapes.count && zip(ranks, shapes).allSatisfy { 0...$1.rows ~= $0 })
    self.ranks = ranks
    isBelowNoise = try reader.int() == 1
  }
}

extension PosteriorModel {
  fileprivate init(
    _ reader: inout CheckpointReader, basis: FourierBesselBasis, groups: Int, noiseVariance: Double
  ) throws {
    let source = basis.layout
    sourceLayout = source
    self.noiseVariance = noiseVariance
    let (frequencies, counts): ([Int], [Int]) = (try reader.array(), try reader.array())
    try reader.require(
      !frequencies.isEmpty && frequencies.count == counts.count
        && frequencies.allSatisfy { 0..<source.blockCount ~= $0 }
        && zip(frequencies, frequencies.dropFirst()).allSatisfy(<)
        && zip(frequencies, counts).allSatisfy {
          1...source.components(ofBlock: $0).count ~= $1
        })
    layout = AngularLayout(frequencies: frequencies, counts: counts)
    mean = try reader.numbers(source.components(ofBlock: 0).count)
    synthesis = try reader.matrices(
      zip(frequencies, counts).map { (source.components(ofBlock: $0).count, $1) })
    eigenvalues = try counts.map { try reader.numbers($0) }
    try reader.require(eigenvalues.allSatisfy { $0.allSatisfy { $0 > 0 } })
    try reader.require(try reader.count() == groups)
    let shapes = layout.squares
    information = try (0..<groups).map { _ in try reader.matrices(shapes) }
    covariance = try (0..<groups).map { _ in try reader.matrices(shapes) }
    let length = mean.count
    meanStatistic = try (0..<groups).map { _ in try reader.numbers(length) }
  }
}

extension SteerableCoefficients {
  /// Some images' rows of pairs (re, im), one after the other.
  fileprivate func rows(_ images: Range<Int>) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(images.count * layout.componentCount * 2)
    for image in images { appendRow(image, to: &result) }
    return result
  }
}
