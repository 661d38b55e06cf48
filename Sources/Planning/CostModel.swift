import ClassAveraging
import Execution
import Foundation
import ImageModel

/// What each stage of `kindred average` costs (a search by reference classes in `ReferenceCost.swift`, rounds of
/// co-assignment in `CoAssignmentCost.swift`, projections in `VolumeCost.swift`), in formulas: n images of L x L pixels, P
/// functions of the Fourier-Bessel basis (p_k at frequency k), C components (r_k), B frequencies that have any, G defocus groups, K
/// neighbours, M members of a class, S = candidates kept (K or M, and 10), pairs of w operations (`SearchCost`), p
/// ranks of t threads.
///
///     stage         shared by all cores                      on every rank        rank 0 alone
///     input                                                                       n lines
///     survey        (n + 4 s) (0.7 L^2 + 0.3 m) pixels       80 n pixels
///     centring      that of the coefficients of          that of two models
///                   min(n, 20,000) + 2 min(n, 2,000) images
///     coefficients  n (T + polar sums) operations,
///                   n (0.3 L^2 + 0.4 m) pixels
///     covariance    n sum p_k^2 / 2 products, n sum p_k r_k, G sum p_k^2 shells
///                   n (sum p_k^2 / 2 + 120 F), G sum p_k^3 240 n products
///                   steps
///     all pairs     n^2/2 w operations, n S log2(n/S)
///                   candidates
///     affinity      n S w operations, n S candidates                              13 n M bytes saved
///     pass          n^2/2 w + n M w + 26 q K w operations,                        13 n M bytes saved
///                   n class(M), n M candidates
///     probabilities n (M + 1) C components
///     lists                                                                       13 n K bytes
///     averages      n class(K), 2 n L^2 C' operations,       L^2 C' pixels
///                   4 n L^2 bytes
///     finish                                                                      bytes stored
///                                                                                 but those behind averages
///
/// with s = n / ceil(n / 20,000) sampled images that the survey looks at again, twice that where the particle's
/// radius is below 0.43 L; this takes four times as long as the first look: a windowed transform, a profile with
/// two more, and the preparation before either; m = min(L^2, 16,000) for the medians of either. F = frequencies of
/// the basis, for each of which an image's distance from the model is taken twice, most of it for making room; q =
/// min(n, 500) images that 26 correlations are tried on, T = 10 L'^2 log2 L' for a transform of twice the edge, L'
/// = 2 L; C' = 2 C - r_0 real components; and class(M) = (M + 1) (C + 8 B) + 500 B + sum_k ((min(G, M + 1) + 4)
/// r_k^2 / 2 + r_k^3 / 3) operations: turned members added, eight operations at once, with a sine and a cosine at
/// each frequency, and small systems solved.
///
/// Two losses grow with the ranks. Images are compared in groups of 16 of one defocus group, and about half a
/// group is empty at each end of a group or rank: n above becomes n + 8 (G + p) for the first pass. And a
/// rank's block is cut into tiles of 64 rows, more than which its threads cannot use.
public struct CostModel: Sendable {
  /// What the constants were measured on.
  public let machine: Machine
  /// How many ranks a node has, whose memory they share; where there are more, there are more nodes.
  public var ranksPerNode = Int.max

  /// The model with the constants of `machine`.
  public init(machine: Machine) { self.machine = machine }

  func nodes(_ ranks: Int) -> Int { 1 + (ranks - 1) / ranksPerNode }

  func network(_ job: PlannedJob, ranks: Int) -> NetworkCost {
    NetworkCost(machine: machine, job: job, ranks: ranks, nodes: nodes(ranks))
  }

  func memory(_ job: PlannedJob, ranks: Int, threads: Int) -> MemoryCost {
    MemoryCost(job: job, ranks: ranks, threads: threads, nodes: nodes(ranks))
  }

  /// One stage of a job on some ranks.
  public struct Stage: Sendable, Equatable {
    /// The stage's name, as a run reports it.
    public var name: String
    /// Processor seconds that all cores share.
    public var shared = 0.0
    /// Processor seconds that every rank spends alike.
    public var repeated = 0.0
    /// Seconds that rank 0 works while the others wait.
    public var root = 0.0
    /// Seconds of communication that no work hides.
    public var communication = 0.0
    /// Bytes that the ranks hand to MPI, and messages, over all ranks.
    public var bytes = 0.0
    /// Messages, over all ranks.
    public var messages = 0.0
    /// Cores of a rank that have work.
    public var usableThreads: Double
    /// The largest memory of a rank, in bytes.
    public var memory = 0.0
    /// What of it the ranks of a node have in common.
    public var commonMemory = 0.0

    /// Wall time of the stage on `ranks`.
    public func seconds(ranks: Int) -> Double {
      shared / (Double(ranks) * usableThreads) + repeated + root + communication
    }
  }

  /// Quantities of a job that several stages share, in the units of `Machine`.
  struct Units {
    let n: Double
    let pixels: Double
    let coefficients: Double
    let components: Double
    let pairOperations: Double
    let blockCount: Double
    let surveyPixels: Double
    let preparedPixels: Double
    let analysisOperations: Double
    let momentProducts: Double
    let distanceProducts: Double
    let comparedPixels: Double
    let comparedDistances: Double
    let modelSteps: Double
    let solvingSteps: Double
    let realComponents: Double
    private let ranksSquared: Double
    private let ranksCubed: Double
    private let groups: Double

    init(_ job: PlannedJob) {
      n = Double(job.images)
      pixels = Double(job.box * job.box)
      coefficients = Double(job.basisCount)
      components = Double(job.componentCount)
      pairOperations = SearchCost.operationsPerPair(job.layout)
      blockCount = Double(job.layout.blockCount)
      groups = Double(job.groups)
      // Medians are taken of some 2,000 to 4,000 pixels outside the particle, whatever the box.
      let sorted = min(pixels, 16_000)
      surveyPixels =
        (0.7 * pixels + 0.3 * sorted) * (n + 4 * Double(job.closerLooks * job.sampledImages))
      preparedPixels = 0.3 * pixels + 0.4 * sorted
      // Every rank takes medians of what was found of all images, and of their distances.
      comparedPixels = 80 * n
      comparedDistances = 240 * n
      // As `SteerableAnalysis` chooses them.
      let corner = Double(job.box) / 2.squareRoot() + 1
      let rings = 2 * job.bandLimit * (corner + job.radius) + 12
      let half =
        (2 * .pi * job.bandLimit * corner + Double(job.basis.count) + 30) / 2
      let edge = 2 * Double(job.box)
      let transform = 10 * edge * edge * log2(edge)
      let interpolation = rings * half * 8 * 8 * 4
      let angularSums = rings * half * Double(job.basis.count) * 2
      analysisOperations = transform + interpolation + angularSums + 4 * rings * coefficients
      func sum(_ counts: [Int], _ power: Double) -> Double {
        counts.reduce(0) { $0 + pow(Double($1), power) }
      }
      let projections = zip(job.basis, job.components).reduce(0.0) {
        $0 + Double($1.0) * Double($1.1)
      }
      momentProducts = sum(job.basis, 2) / 2 + projections
      distanceProducts = sum(job.basis, 2) / 2 + 120 * Double(job.basis.count)
      // Distinct radii of a grid: about three for each four squares up to the band limit's.
      let shells = 0.3 * pow(job.bandLimit * Double(job.box), 2)
      modelSteps = groups * sum(job.basis, 2) * shells
      solvingSteps = 60 * groups * sum(job.basis, 3)
      realComponents = 2 * components - Double(job.components.first ?? 0)
      ranksSquared = sum(job.components, 2)
      ranksCubed = sum(job.components, 3)
    }

    /// Operations of a member that is turned and added to a class.
    var turnOperations: Double { components + 8 * blockCount }

    /// Operations of a class of `members` and the image itself.
    func classOperations(members: Int) -> Double {
      Double(members + 1) * turnOperations + 500 * blockCount
        + (min(groups, Double(members + 1)) + 4) * ranksSquared / 2 + ranksCubed / 3
    }
  }

  /// Pairs that the kernel compares, those with the empty places of lane groups included.
  static func comparedPairs(_ job: PlannedJob, ranks: Int) -> Double {
    let padded = Double(job.images) + 8 * Double(job.groups + ranks)
    return padded * padded / 2
  }

  /// The same among classes, which have one group.
  static func comparedClasses(_ job: PlannedJob, ranks: Int) -> Double {
    let padded = Double(job.images) + 8 * Double(1 + ranks)
    return padded * padded / 2
  }

  /// Candidates that enter a list while it is found, S log2 (n / S) for each image.
  static func candidates(_ job: PlannedJob) -> Double {
    let (n, kept) = (Double(job.images), Double(job.capacity))
    return kept * n * max(1, log2(max(2, n / kept)))
  }

  /// Components of the members of all classes, and of the images themselves.
  static func probabilityOperations(_ job: PlannedJob) -> Double {
    Double(job.images) * Double(job.members + 1) * Double(job.componentCount)
  }

  /// Pairs scored, one correlation after the other, to find that of classes.
  static func triedPairs(_ job: PlannedJob) -> Double {
    26 * Double(min(job.images, 500) * job.neighbours)
  }

  /// The stages of a job, in their order.
  public func stages(_ job: PlannedJob, ranks: Int, threads: Int = 1) -> [Stage] {
    let units = Units(job)
    let network = self.network(job, ranks: ranks)
    let memory = self.memory(job, ranks: ranks, threads: threads)
    let (n, cores) = (units.n, Double(threads))
    func stage(_ name: String, threads: Double = cores) -> Stage {
      var stage = Stage(name: name, usableThreads: threads)
      memory.set(&stage, memory.bytes(of: name))
      return stage
    }
    var input = stage(StageName.input)
    input.root = n * machine.particle
    network.input(&input)

    var survey = stage(StageName.survey)
    survey.shared = units.surveyPixels * machine.surveyPixel
    survey.repeated = units.comparedPixels * machine.surveyPixel
    network.survey(&survey)

    var coefficients = stage(StageName.coefficients)
    coefficients.shared =
      n
      * (units.analysisOperations * machine.analysisOperation + units.preparedPixels
        * machine.surveyPixel)

    var covariance = stage(StageName.covariance, threads: 1)
    covariance.shared =
      n * (units.momentProducts + units.distanceProducts) * machine.momentProduct
      + units.solvingSteps * machine.modelStep
    covariance.repeated =
      units.modelSteps * machine.modelStep + units.comparedDistances * machine.momentProduct
    network.covariance(&covariance)

    // Whether particles have to be looked for is told by a model of either half of some images. What follows where they
    // have to is not planned.
    var centring = stage(StageName.centring)
    centring.shared =
      coefficients.shared / n
      * (min(n, Double(Centring.mostModelled)) + 2 * min(n, Double(Centring.mostSampled)))
    centring.repeated = 2 * units.modelSteps * machine.modelStep

    let looks = job.images < Centring.fewestImages ? [survey] : [survey, centring]
    var stages = [input] + looks + [coefficients, covariance]
    let search =
      (job.search == .landmarks
        ? referenceStages(job, ranks: ranks, threads: threads)
        : pairStages(job, ranks: ranks, threads: threads))
      + coAssignmentStages(job, ranks: ranks, threads: threads)
      + projectionStages(job, ranks: ranks, threads: threads)
    stages +=
      search
      + probabilityStages(job, after: [covariance] + search, ranks: ranks, threads: threads)

    var lists = stage(StageName.lists)
    lists.root = 13 * n * Double(job.neighbours) * machine.writtenByte
    stages.append(lists)

    var averages = stage(StageName.averages)
    let written = Double(job.averages)
    averages.repeated = units.pixels * units.realComponents * machine.eigenimagePixel
    averages.shared =
      written
      * (units.classOperations(members: job.neighbours) * machine.classOperation + 2
        * units.pixels * units.realComponents * machine.productOperation + 4
        * units.pixels * machine.writtenByte)
    network.averages(&averages)
    stages.append(averages)

    var finish = stage(StageName.finish)
    // The disk takes averages while they are computed.
    let storing = 4 * written * units.pixels * machine.storedByte
    finish.root =
      max(0, storing - averages.seconds(ranks: ranks))
      + 13 * n * Double(job.neighbours) * machine.storedByte
    stages.append(finish)
    return stages
  }

  /// Those of a search among all pairs, with its passes.
  func pairStages(_ job: PlannedJob, ranks: Int, threads: Int) -> [Stage] {
    let units = Units(job)
    let network = self.network(job, ranks: ranks)
    let memory = self.memory(job, ranks: ranks, threads: threads)
    let (n, cores) = (units.n, Double(threads))
    let comparing = min(cores, max(1, (n / Double(ranks) / 64).rounded(.up)))
    let capacity = Double(job.capacity)
    func stage(_ name: String, threads: Double = cores) -> Stage {
      var stage = Stage(name: name, usableThreads: threads)
      memory.set(&stage, memory.bytes(of: name))
      return stage
    }

    var search = stage(StageName.allPairs, threads: comparing)
    search.shared =
      Self.comparedPairs(job, ranks: ranks) * units.pairOperations * machine.pairOperation
      + Self.candidates(job) * machine.candidate
    network.search(
      &search, capacity: capacity,
      stepSeconds: search.shared / (Double(ranks) * comparing * max(1, Double(ranks) / 2)))

    var affinity = stage(StageName.affinity)
    affinity.shared =
      n * capacity
      * (units.pairOperations * machine.scoredOperation + machine.collectedCandidate)
    affinity.root = saving(images: n, neighbours: Double(job.firstLists))
    network.scoring(&affinity, candidates: capacity, kept: Double(job.firstLists))

    var stages = [search, affinity]
    let members = Double(job.members)
    for number in 2..<max(2, job.passes + 1) {
      var pass = stage(StageName.pass(number), threads: comparing)
      pass.shared =
        Self.comparedClasses(job, ranks: ranks) * units.pairOperations
        * machine.classPairOperation
        + n * members * units.pairOperations * machine.memberOperation
        + Self.triedPairs(job) * units.pairOperations * machine.scoredOperation
        + n * units.classOperations(members: job.members) * machine.classOperation
        + n * members * machine.collectedCandidate
      pass.root = saving(images: n, neighbours: members)
      network.classes(&pass)
      network.search(
        &pass, capacity: members,
        stepSeconds: pass.shared / (Double(ranks) * comparing * max(1, Double(ranks) / 2)))
      network.scoring(&pass, candidates: members, kept: members)
      stages.append(pass)
    }

    return stages
  }

  /// Seconds that rank 0 takes to save the lists after a pass.
  func saving(images: Double, neighbours: Double) -> Double {
    13 * images * neighbours * (machine.writtenByte + machine.storedByte)
  }
}
