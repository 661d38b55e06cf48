import Execution
import LinearAlgebra
import MPI
import ParticleIO

/// The model of the clean images fitted to a data set, and this rank's images in it: what averaging and
/// denoising both start from.
public struct FittedModel {
  /// What the first pass over the images found.
  public package(set) var survey: ImageSurvey
  /// How the images that take part are shared among the ranks.
  public let partition: Partition
  /// Images that the model does not explain, which count less in it or not at all.
  public let unexplained: Int
  /// Whether the particles are darker than what is around them.
  public let areDark: Bool
  let keepsContrast: Bool
  /// The defocus groups of all images that take part.
  public let groups: DefocusGroups
  /// The Fourier-Bessel basis, of the survey's radius and band limit.
  public let basis: FourierBesselBasis
  /// Mean and covariance of the clean images in the Fourier-Bessel basis (method E.3).
  public let estimate: MeanAndCovariance
  /// The same in principal coordinates, one at least, and every group's posterior covariance (method E.4).
  public let posterior: PosteriorModel
  /// The sufficient statistics b of this rank's images, in principal coordinates.
  public let statistics: SteerableCoefficients

  /// The groups of this rank's images.
  public func ownGroups(_ comm: Communicator) -> ArraySlice<Int32> {
    groups.groupOfParticle[partition.range(of: comm.rank)]
  }

  /// Reads all images twice, for their backgrounds and for their coefficients, and a sample of them two or four times in
  /// between (`ImageSurvey`). Collective.
  /// - Parameters:
  ///   - set: the particles.
  ///   - options: how they are modelled.
  ///   - comm: the ranks that take part.
  ///   - observer: told how far the stages are.
  ///   - stop: asked between blocks of images.
  /// - Throws: `Interruption` on all ranks, where the run was asked to stop; `ReportedError` on all ranks, after one message, where options and images do not fit together;
  ///   `InputError` on the rank whose stack cannot be read; `LAPACKError`; `MPIError`.
  public init(
    _ set: ParticleSet, options: ModelOptions, on comm: Communicator,
    observer: any StageObserver, stop: StopRequest? = nil
  ) throws {
    try Self.begin(options, on: comm)
    let survey = try ImageSurvey(
      of: set, options: options.survey, on: comm, observer: observer, stop: stop)
    try self.init(survey, options: options, on: comm, observer: observer, stop: stop)
  }

  /// What comes before images are surveyed. Collective.
  package static func begin(_ options: ModelOptions, on comm: Communicator) throws {
    try comm.agree {
      try options.validate()
      // Leaves it one thread: by itself OpenBLAS takes all cores for each of a node's ranks.
      try reserveBLASMemory(threads: options.threads)
    }
  }

  /// The model of images that were surveyed, after `begin`. Collective.
  package init(
    _ survey: ImageSurvey, options: ModelOptions, on comm: Communicator,
    observer: any StageObserver, stop: StopRequest? = nil
  ) throws {
    self.survey = survey
    let particles = survey.particles
    let set = particles
    partition = Partition(of: particles.particles.count, among: comm.size)
    let own = partition.range(of: comm.rank)
    let basis = FourierBesselBasis(
      size: set.boxSize, bandLimit: survey.bandLimit, radius: survey.radius)
    try comm.agree {
      if basis.layout.componentCount == 0 {
        throw ModelError.emptyBasis(radius: survey.radius, bandLimit: survey.bandLimit)
      }
    }
    self.basis = basis

    observer.stageBegan(StageName.coefficients, items: own.count)
    let coefficients = try Self.coefficients(
      of: own, survey: survey, basis: basis, threads: options.threads, observer: observer,
      stop: stop)
    try stop?.throwIfAgreed()
    observer.stageEnded()

    observer.stageBegan(StageName.covariance, items: own.count)
    groups = DefocusGroups(
      of: particles.particles, pixelSize: set.pixelSize, limit: options.defocusGroups)
    let model = ImageModel(basis: basis, groups: groups, noise: survey.noise)
    let (groupOfParticle, groupCount) = (groups.groupOfParticle, groups.count)
    func distances(_ estimate: MeanAndCovariance?) throws -> RobustWeights {
      try RobustWeights(
        of: coefficients, groups: groupOfParticle[own], model: model, estimate: estimate,
        threads: options.threads, on: comm)
    }
    func fit(_ robust: RobustWeights, _ observer: any StageObserver) throws -> MeanAndCovariance {
      try MeanAndCovariance(
        moments: GroupMoments(
          of: coefficients, groups: groupOfParticle[own],
          weights: robust.reduced > 0 ? robust.weights : nil, groupCount: groupCount,
          imageCount: particles.particles.count, on: comm, observer: observer),
        model: model, noiseVariance: survey.whiteVariance, shrinkage: options.shrinkage,
        on: comm)
    }
    // What is far from noise and any particle does not steer the first estimate, by which the others are judged.
    let first = try fit(distances(nil), observer)
    let robust = try distances(first)
    estimate = robust.reduced > 0 ? try fit(robust, SilentObserver()) : first
    unexplained = robust.reduced
    areDark = try Self.areDark(estimate, model)
    keepsContrast = options.keepsContrast
    posterior = try PosteriorModel(
      estimate: estimate, model: model, noiseVariance: survey.whiteVariance)
    let components = posterior.layout.componentCount
    try comm.agree {
      if components == 0 { throw ModelError.noSignal(noiseVariance: survey.noiseVariance) }
    }
    statistics = posterior.sufficientStatistics(
      of: robust.reduced > 0 ? coefficients.multiplied(by: robust.factors) : coefficients,
      groups: groupOfParticle[own])
    observer.stageEnded()
  }

  /// What the pixels of averages are multiplied by: to be white, in units of the images as they are.
  package var outputScale: Double { survey.unit * (areDark && !keepsContrast ? -1 : 1) }

  /// Whether the mean image is dark (method E.20): the transform of whatever lies within half the box has the sign of its pixels at
  /// the lowest frequency but 0. Not where noise may have decided.
  private static func areDark(_ estimate: MeanAndCovariance, _ model: ImageModel) throws -> Bool {
    let radial = model.basis.fourierRadial(block: 0, at: 1 / Double(model.basis.size))
    let value = zip(radial, estimate.mean).reduce(0) { $0 + $1.0 * $1.1 }
    var information = Matrix(rows: radial.count, columns: radial.count)
    for (group, count) in model.groupCounts.enumerated() {
      information += Double(count) * model.squared[group][0]
    }
    let eigen = try SymmetricEigen(information)
    let floor = (eigen.values.first ?? 0) * 1e-6
    let spread = eigen.applying { $0 > floor ? 1 / $0 : 0 }.times(radial)
    let variance = zip(radial, spread).reduce(0) { $0 + $1.0 * $1.1 }
    return value < -5 * max(0, variance).squareRoot()
  }

  /// B^T A^T W^2 y of the images of `range`, prepared.
  private static func coefficients(
    of range: Range<Int>, survey: ImageSurvey, basis: FourierBesselBasis, threads: Int,
    observer: any StageObserver, stop: StopRequest?
  ) throws -> SteerableCoefficients {
    let set = survey.particles
    let size = set.boxSize
    let pixels = size * size
    var result = SteerableCoefficients(layout: basis.layout, count: range.count)
    let stride = basis.layout.componentCount * 2
    let noise = survey.noise
    let workers = WorkerPool(threads: threads) {
      AnalysisWorker(
        preparer: ImagePreparer(survey.preparation), analysis: SteerableAnalysis(basis: basis),
        weighting: CTFWeighting(size: size, pixelSize: set.pixelSize, noise: noise))
    }
    try ParticleReader(set).forEachChunk(of: range, images: 16 * 8 * threads, stop: stop) {
      chunk, input in
      let input = SharedPointer(input)
      let firstGroup = (chunk.lowerBound - range.lowerBound) / 16
      let groups = firstGroup..<firstGroup + (chunk.count + 15) / 16
      workers.forEachRow(groups, of: &result.lanes, width: stride) { worker, group, lanes in
        for lane in 0..<16 {
          let i = (group - firstGroup) * 16 + lane
          if i >= chunk.count {
            worker.analysis.clear(lane: lane)
            continue
          }
          let particle = set.particles[chunk.lowerBound + i]
          let optics = Int(particle.opticsGroup)
          worker.preparer.prepare(
            input.pointer.baseAddress! + i * pixels, into: worker.weighting.image,
            index: Int(survey.originalIndex[chunk.lowerBound + i]),
            group: noise.groupOfOptics[optics],
            noisePassed: worker.weighting.noisePassed(
              particle.ctf, optics: set.opticsGroups[optics]))
          worker.weighting.apply(
            particle.ctf, group: optics, optics: set.opticsGroups[optics],
            displacement: particle.displacement)
          worker.analysis.load(worker.weighting.image, lane: lane)
        }
        worker.analysis.analyze(into: lanes.baseAddress!)
      }
      try observer.stageAdvanced(to: chunk.upperBound - range.lowerBound)
    }
    return result
  }
}

/// What one thread needs to turn images into coefficients.
private struct AnalysisWorker {
  let preparer: ImagePreparer
  let analysis: SteerableAnalysis
  let weighting: CTFWeighting
}
