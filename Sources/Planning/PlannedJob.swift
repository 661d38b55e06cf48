import ClassAveraging
import Execution
import ImageModel
import Report

/// What decides how long a run of `kindred average` takes, apart from the machine.
public struct PlannedJob: Sendable, Equatable {
  /// Images, n.
  public var images: Int
  /// Edge of an image in pixels, L.
  public var box: Int
  /// c, cycles per pixel.
  public var bandLimit: Double
  /// R, pixels.
  public var radius: Double
  /// Fourier-Bessel functions at each angular frequency from 0, p_k.
  public var basis: [Int]
  /// Components kept at each angular frequency from 0, r_k.
  public var components: [Int]
  /// Defocus groups, G.
  public var groups = ModelOptions().defocusGroups
  /// K.
  public var neighbours = AverageOptions().neighbours
  /// How candidates are found: `allPairs`, or `landmarks`.
  public var search = SearchMethod.allPairs
  /// Reference classes that the search `landmarks` compares all images with, as asked for.
  public var references = AverageOptions().landmarks
  /// All passes, the first included.
  public var passes = Self.usualPasses
  /// The same among the reference classes.
  public var referencePasses = Self.usualPasses
  /// Rounds of co-assignment, as asked for; only where there is more than one pass.
  public var rounds = AveragePipeline.rounds
  /// Projections of a volume that follow the rounds, as asked for.
  public var projections = AverageOptions().slices
  /// Where the probabilities of neighbours come from; nil for what `average` does by itself.
  public var probabilities: ProbabilitySource?
  /// Averages written.
  public var averages: Int

  /// The band limit of a job of which none is known, in cycles per pixel.
  public static let usualBandLimit = 0.2
  /// The passes of a job of which they are not known: most stop by themselves after so many.
  public static let usualPasses = 4

  /// Images that the survey looks at again after the first look, s: every so many of all.
  var sampledImages: Int {
    let every = max(1, (images + ImageSurvey.sampleSize - 1) / ImageSurvey.sampleSize)
    return (images + every - 1) / every
  }
  /// Images looked at again, each as often as it is: with the particle's own radius once more, where that leaves much
  /// more background.
  var closerLooks: Int { radius < ImageSurvey.closerBelow * Double(box) ? 2 : 1 }
  /// Neighbours in a class, M.
  public var members: Int { ClassSize.members(images: images, neighbours: neighbours) }
  /// Rounds of co-assignment in force.
  var roundsInForce: Int { passes > 1 ? rounds : 0 }
  /// Projections in force.
  var projectionsInForce: Int { roundsInForce > 0 ? projections : 0 }
  /// Reference classes of the co-assignment, R.
  var coAssignmentReferences: Int { min(references, images) }
  /// Members of their classes after the first round.
  var coAssignmentMembers: Int { ClassSize.sharedMembers(images: images, atLeast: members) }
  /// Length of the first search's lists after they have been scored.
  var firstLists: Int { passes > 1 ? members : neighbours }
  /// Candidates that the first search keeps of each image.
  var capacity: Int { max(1, min(images - 1, firstLists + AveragePipeline.margin)) }

  /// Candidates of each image by reference classes, S.
  var candidates: Int {
    var options = AverageOptions()
    options.neighbours = neighbours
    return min(images - 1, options.candidateCount)
  }
  /// The search among the reference classes.
  var sample: PlannedJob {
    var job = self
    job.images = min(images, max(references, neighbours + 1))
    (job.search, job.passes, job.probabilities) = (
      .allPairs, referencePasses, ProbabilitySource.none
    )
    job.rounds = 0
    return job
  }

  /// The same, in force.
  var probabilitySource: ProbabilitySource {
    probabilities ?? (search == .landmarks ? .none : .simulation)
  }

  /// Complex coefficients of an image in the Fourier-Bessel basis, P.
  public var basisCount: Int { basis.reduce(0, +) }
  /// Complex principal coordinates of an image, C.
  public var componentCount: Int { components.reduce(0, +) }
  /// The frequencies that have components, as the pairs' kernel lays them out.
  public var layout: AngularLayout {
    let kept = components.indices.filter { components[$0] > 0 }
    return AngularLayout(frequencies: kept, counts: kept.map { components[$0] })
  }

  /// A job of which little is known: the band limit is 0.2 cycles per pixel, the radius half the box, and half
  /// of the basis rises above the noise, unless told otherwise.
  /// - Parameters:
  ///   - images: how many there are.
  ///   - box: edge of an image in pixels.
  ///   - bandLimit: in cycles per pixel.
  ///   - radius: in pixels; nil for half the box.
  ///   - components: C; spread over the frequencies as the basis is.
  public init(
    images: Int, box: Int, bandLimit: Double = PlannedJob.usualBandLimit, radius: Double? = nil,
    components: Int? = nil
  ) {
    self.images = images
    self.box = box
    self.bandLimit = bandLimit
    self.radius = radius ?? Double(box / 2)
    averages = images
    let layout = FourierBesselBasis(size: box, bandLimit: bandLimit, radius: self.radius).layout
    basis = (0..<layout.blockCount).map { layout.components(ofBlock: $0).count }
    self.components = Self.spread(components ?? (layout.componentCount + 1) / 2, over: basis)
  }

  /// The job that a run was.
  /// - Throws: `PlanError` where the record is not of a complete run of `average` over all pairs or by reference classes.
  public init(_ record: RunRecord, file: String) throws {
    func missing(_ what: String) -> PlanError {
      PlanError("\(file): has no \(what): the record of a whole run of `average` is needed")
    }
    guard let images = record.imagesUsed else { throw missing("images_used") }
    guard let box = record.boxSize else { throw missing("box_size") }
    guard let bandLimit = record.bandLimit, let radius = record.radius else {
      throw missing("band_limit and radius")
    }
    let search = record.search.flatMap { SearchMethod(rawValue: $0) }
    guard let search, search == .allPairs || search == .landmarks else {
      throw PlanError(
        "\(file): the search was '\(record.search ?? "none")'; the model is of all-pairs and landmarks"
      )
    }
    self.init(images: images, box: box, bandLimit: bandLimit, radius: radius)
    components = record.covarianceRanks
    groups = record.defocusGroups ?? groups
    if case .integer(let count)? = record.options["neighbours"] { neighbours = count }
    if case .integer(let count)? = record.options["averages"] { averages = min(count, images) }
    self.search = search
    if case .integer(let count)? = record.options["landmarks"] { references = count }
    passes = 1 + record.passes.count
    // A run over all pairs tells how many its reference classes would need.
    referencePasses =
      search == .landmarks
      ? 1
        + record.stages.count {
          $0.name.hasPrefix(StageName.stage(StageName.passes, of: StageName.referencePart))
        } : passes
    let names = record.stages.map(\.name)
    if case .integer(let count)? = record.options["rounds"] {
      rounds = count
    } else {
      rounds = names.contains(StageName.coAssignment) ? AveragePipeline.rounds : 0
    }
    if case .integer(let count)? = record.options["slices"] {
      projections = count
    } else {
      projections = names.contains(StageName.projections) ? projections : 0
    }
    probabilities =
      !names.contains(StageName.probabilities)
      ? ProbabilitySource.none
      : names.contains(StageName.stage(StageName.fit, of: StageName.calibrationPart))
        ? .simulation : .formula
  }

  /// Keeps `count` components, at each frequency the same share of the basis.
  public mutating func spread(_ count: Int) { components = Self.spread(count, over: basis) }

  /// - Throws: `PlanError` for numbers that do not fit together.
  public func validate() throws {
    if neighbours >= images {
      throw PlanError("\(neighbours) neighbours of \(images) images: each has \(images - 1) others")
    }
    if basisCount == 0 || componentCount == 0 {
      throw PlanError(
        "a band limit of \(bandLimit) cycles per pixel and a radius of \(radius) pixels leave no "
          + "coefficients")
    }
  }

  /// `total` components, at each frequency the same share of the basis as far as whole numbers allow, the
  /// lower frequencies first.
  static func spread(_ total: Int, over basis: [Int]) -> [Int] {
    let all = max(1, basis.reduce(0, +))
    var left = min(total, all)
    var counts = basis.map { $0 * min(total, all) / all }
    left -= counts.reduce(0, +)
    for k in basis.indices where left > 0 && counts[k] < basis[k] {
      counts[k] += 1
      left -= 1
    }
    return counts
  }
}

/// A plan or an experiment that cannot be made as it was asked for.
public struct PlanError: Error, CustomStringConvertible, Sendable {
  /// What is wrong, as the user is told.
  public let description: String
  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}
