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
      (try SavedModel(&reader), reader.content.text)
    }
    try tell(lines)
    let isUsable = try comm.allreduce(saved == nil ? 0 : 1, .minimum) == 1
    guard isUsable, let (model, key) = saved else { return nil }
    setModel(key)

    let partition = Partition(
      of: set.particles.count - model.leftOut.count / 2, among: comm.size)
    guard let statistics = try restoredStatistics(partition, layout: model.layout) else {
      return nil
    }
    say("resuming with the model of \(partition.total) images")
    try comm.agree { try reserveBLASMemory(threads: options.threads) }
    return FittedModel(
      model, statistics: statistics, of: set, options: options, partition: partition)
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
            var values: [Float] = []
            for _ in stride(from: 0, to: count, by: Self.chunk) { values += try reader.array() }
            guard itsWidth == width, values.count == count * width,
              first >= 0 && first + count <= partition.total
            else { throw CheckpointDefect(path: reader.path, "is of other images") }
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

/// What is saved of a model beside the images' statistics; the rest follows from it and the input.
private struct SavedModel {
  /// Particles and defects by turns.
  let leftOut: [Int]
  let statistics: ImageStatistics
  let noiseVariance: Double
  let bandLimit: Double
  let radius: Double
  let estimate: MeanAndCovariance
  let layout: AngularLayout
  let mean: [Double]
  let synthesis: [Matrix]
  let eigenvalues: [[Double]]
  let information: [[Matrix]]
  let covariance: [[Matrix]]
  let meanStatistic: [[Double]]
}

extension CheckpointWriter {
  fileprivate func add(_ model: FittedModel) throws {
    let survey = model.survey
    try add(survey.leftOut.flatMap { [$0.particle, $0.defect.rawValue] })
    let statistics = survey.statistics
    for number in [
      statistics.count, statistics.backgroundPixels, statistics.needsNormalization ? 1 : 0,
    ] {
      try add(number)
    }
    for number in [
      statistics.backgroundMean, statistics.backgroundMeanSquare, statistics.noisePassed,
    ] {
      try add(number)
    }
    for list in [
      statistics.radial, statistics.power, statistics.noisePower, statistics.signalPower,
    ] {
      try add(list)
    }
    for number in [survey.noiseVariance, survey.bandLimit, survey.radius] { try add(number) }
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
  init(_ reader: inout CheckpointReader) throws {
    leftOut = try reader.array()
    let (count, background, needs) = (try reader.int(), try reader.int(), try reader.int())
    let (mean, square, passed) = (try reader.double(), try reader.double(), try reader.double())
    statistics = ImageStatistics(
      count: count, backgroundPixels: background, backgroundMean: mean,
      backgroundMeanSquare: square, needsNormalization: needs == 1, radial: try reader.array(),
      power: try reader.array(), noisePower: try reader.array(),
      signalPower: try reader.array(), noisePassed: passed)
    noiseVariance = try reader.double()
    bandLimit = try reader.double()
    radius = try reader.double()
    estimate = MeanAndCovariance(
      mean: try reader.array(), covariance: try reader.matrices(), debiased: try reader.matrices(),
      ranks: try reader.array(), isBelowNoise: try reader.int() == 1)
    layout = AngularLayout(frequencies: try reader.array(), counts: try reader.array())
    self.mean = try reader.array()
    synthesis = try reader.matrices()
    var eigenvalues: [[Double]] = []
    for _ in 0..<layout.blockCount { eigenvalues.append(try reader.array()) }
    self.eigenvalues = eigenvalues
    let groups = try reader.int()
    var blocks: [[Matrix]] = []
    for _ in 0..<2 * groups { blocks.append(try reader.matrices()) }
    (information, covariance) = (Array(blocks[..<groups]), Array(blocks[groups...]))
    var means: [[Double]] = []
    for _ in 0..<groups { means.append(try reader.array()) }
    meanStatistic = means
  }
}

extension CheckpointReader {
  /// What `CheckpointWriter.add` wrote of matrices.
  package mutating func matrices() throws -> [Matrix] {
    var result: [Matrix] = []
    for _ in 0..<(try int()) {
      let (rows, columns) = (try int(), try int())
      result.append(Matrix(rows: rows, columns: columns, storage: try array()))
    }
    return result
  }
}

extension FittedModel {
  /// A model as it was saved.
  /// - Parameter statistics: of this rank's images.
  fileprivate init(
    _ saved: SavedModel, statistics: SteerableCoefficients, of set: ParticleSet,
    options: ModelOptions, partition: Partition
  ) {
    let survey = ImageSurvey(saved, of: set)
    self.survey = survey
    self.partition = partition
    groups = DefocusGroups(
      of: survey.particles.particles, pixelSize: set.pixelSize, limit: options.defocusGroups)
    basis = FourierBesselBasis(
      size: set.boxSize, bandLimit: saved.bandLimit, radius: saved.radius)
    estimate = saved.estimate
    posterior = PosteriorModel(saved, basis: basis)
    self.statistics = statistics
  }
}

extension ImageSurvey {
  fileprivate init(_ saved: SavedModel, of set: ParticleSet) {
    leftOut = stride(from: 0, to: saved.leftOut.count, by: 2).map {
      (saved.leftOut[$0], ParticleDefect(rawValue: saved.leftOut[$0 + 1])!)
    }
    let isBad = Set(leftOut.map(\.particle))
    let kept = set.particles.indices.filter { !isBad.contains($0) }
    originalIndex = kept.map { Int32($0) }
    particles = isBad.isEmpty ? set : set.selecting(kept)
    statistics = saved.statistics
    noiseVariance = saved.noiseVariance
    bandLimit = saved.bandLimit
    radius = saved.radius
  }
}

extension PosteriorModel {
  fileprivate init(_ saved: SavedModel, basis: FourierBesselBasis) {
    layout = saved.layout
    sourceLayout = basis.layout
    mean = saved.mean
    synthesis = saved.synthesis
    eigenvalues = saved.eigenvalues
    information = saved.information
    covariance = saved.covariance
    noiseVariance = saved.noiseVariance
    meanStatistic = saved.meanStatistic
  }
}

extension MeanAndCovariance {
  fileprivate init(
    mean: [Double], covariance: [Matrix], debiased: [Matrix], ranks: [Int], isBelowNoise: Bool
  ) {
    self.mean = mean
    self.covariance = covariance
    self.debiased = debiased
    self.ranks = ranks
    self.isBelowNoise = isBelowNoise
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
