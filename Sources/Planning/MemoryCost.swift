import Execution

/// The largest memory of a rank in each stage, rank 0's where it holds more than the others (input), in bytes.
///
/// A rank holds the program and its libraries (42 MiB), 130 bytes of every particle (its line, its group, its old
/// number) and, from their stages on, its images' coefficients (8 P, only until the covariance is known) and
/// components (8 C), of which the node's ranks have one copy more. The survey holds what its first look found of all
/// images, 180 bytes each, and of the rank's own again, or the profiles of the images that it looks at again, whichever
/// is more; of what it freed, 1 kB for each of the latter, the system's allocator keeps. The search adds its block of the
/// components, the travelling block's and the arriving one, self terms of both sides, and lists of 9 bytes a candidate: its own and, for each thread, those of both sides. When
/// candidates are scored, pairs are held three times, 8 bytes each, while they find their ranks; then batches of at
/// most 131,072, of which each has the images of other nodes that it needs. The table of all lists is on every
/// rank, 13 bytes an entry.
struct MemoryCost {
  let job: PlannedJob
  let ranks: Int
  let threads: Int
  let nodes: Int

  private static let program = 42.0 * 1_048_576

  /// What a rank holds when the model is known.
  var fitted: Double {
    let model = 8 * Double(job.groups) * Double(job.basis.reduce(0) { $0 + $1 * $1 })
    return Self.program + 130 * Double(job.images) + model + components + nodeRows
  }

  /// The components of the images of a node's ranks, which these have in common (`CoefficientStore`).
  var nodeRows: Double {
    8 * (Double(job.images) / Double(nodes)).rounded(.up) * Double(job.componentCount)
  }

  /// The part of all rows that are on other nodes.
  var foreign: Double { 1 - 1 / Double(nodes) }

  /// Sets what a rank holds, and what of it are rows and lists of the node.
  func set(
    _ stage: inout CostModel.Stage, _ bytes: Double, copies: Double = 1, lists: Double = 0
  ) {
    stage.memory = bytes
    stage.commonMemory = copies * nodeRows + lists
  }

  /// Simulated images: Fourier-Bessel coefficients with and without noise, components and rows.
  var simulated: Double { 16 * rows * Double(job.basisCount) + components + nodeRows }

  private var rows: Double { (Double(job.images) / Double(ranks)).rounded(.up) }
  /// The components of a rank's images.
  var components: Double { 8 * rows * Double(job.componentCount) }

  /// Lists, pairs, the scores of a batch of pairs on their way, its images, and the lists of all.
  func scoring(_ candidates: Double, kept: Double) -> Double {
    let (n, pairs) = (Double(job.images), rows * candidates)
    let batch = min(131_072, 0.7 * pairs)
    let groups = Double(job.groups)
    let fetched =
      min(n, 2 * batch) * (foreign * 16 * Double(job.componentCount) + 4 * groups + 60)
    return pairs * 9 + max(pairs * 24, pairs * 6 + batch * 92 + fetched) + 13 * n * kept
  }

  func bytes(of stage: String) -> Double {
    let (n, t) = (Double(job.images), Double(threads))
    let pixels = 4 * Double(job.box * job.box)
    let basis = 8 * Double(job.basisCount)
    let products = job.basis.reduce(0) { $0 + $1 * ($1 + 1) / 2 }
    let groups = Double(job.groups)
    let members = Double(job.members)
    let capacity = Double(job.capacity)
    let model = 8 * groups * Double(job.basis.reduce(0) { $0 + $1 * $1 })
    let base = Self.program + 130 * n
    let sampled = (Double(job.sampledImages) / Double(ranks)).rounded(.up)
    let kept = 1000 * sampled
    let blocks = min(3, 1 + Double(ranks / 2))
    /// Of a search whose images have `selfTerms` each.
    func search(_ candidates: Double, selfTerms: Double) -> Double {
      blocks * (components + 8 * rows) + 8 * rows * selfTerms
        + (1 + 2 * t) * 9 * rows * candidates + 8 * rows * candidates
    }
    switch stage {
    case StageName.input: return Self.program + 600 * n
    case StageName.survey:
      // Two arrays of an image's radii and five of its shells; as one row on the way to the sums, with three of radii; and
      // room to grow.
      let (radii, shells) = (Double(job.box) / 2.0.squareRoot() + 1, Double(job.box / 2 + 1))
      let profile = 1.25 * (8 * (5 * radii + 10 * shells) + 300)
      return base + max(180 * n + 150 * rows, sampled * profile) + 64 * t * pixels
    case StageName.coefficients, StageName.centring:
      return base + kept + rows * basis + 208 * t * pixels
    case StageName.covariance:
      return base + kept + rows * basis + components + 3 * model + 16 * groups * Double(products)
    case StageName.allPairs: return fitted + search(capacity, selfTerms: groups)
    case StageName.affinity: return fitted + scoring(capacity, kept: Double(job.firstLists))
    case StageName.lists, StageName.finish, StageName.probabilities:
      return fitted + 30 * n * Double(job.neighbours)
    case StageName.averages:
      return fitted + 13 * n * members
        + Double(2 * job.componentCount) * pixels + 2 * 256 * pixels
    default:
      let searching = nodeRows + search(members, selfTerms: 1)
      let collecting = nodeRows + scoring(members, kept: members)
      return fitted + 13 * n * members + max(searching, collecting)
    }
  }
}
