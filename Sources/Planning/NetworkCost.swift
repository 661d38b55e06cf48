import Foundation

/// What the stages send, and what of it no work hides.
///
/// A broadcast or a sum of b bytes over p ranks takes 2 b / bandwidth and log2 p latencies (pipelined trees);
/// what rank 0 gathers or scatters comes through its one connection; an exchange in which every rank sends b
/// takes b / bandwidth and p latencies. On one rank nothing is sent.
struct NetworkCost {
  let machine: Machine
  let job: PlannedJob
  let ranks: Int
  let nodes: Int

  /// The part of all rows that are on other nodes.
  var otherNodes: Double { 1 - 1 / Double(nodes) }
  var p: Double { Double(ranks) }
  var n: Double { Double(job.images) }
  /// Bytes of an image's components.
  var row: Double { 8 * Double(job.componentCount) }
  /// The part of what rank 0 gathers that other ranks send.
  private var foreign: Double { (p - 1) / p }

  private func tree(_ stage: inout CostModel.Stage, bytes: Double) {
    stage.communication += 2 * bytes / machine.bandwidth + log2(p).rounded(.up) * machine.latency
    stage.bytes += (p - 1) * bytes
    stage.messages += p
  }

  /// Between rank 0 and all others.
  func root(_ stage: inout CostModel.Stage, bytes: Double) {
    stage.communication += foreign * bytes / machine.bandwidth + p * machine.latency
    stage.bytes += bytes
    stage.messages += p
  }

  /// All ranks send parts of `bytes` to all others, in a number of exchanges, each of which begins with counts.
  func exchange(_ stage: inout CostModel.Stage, bytes: Double, times: Double) {
    stage.communication += foreign * bytes / p / machine.bandwidth + 2 * times * p * machine.latency
    stage.bytes += foreign * bytes
    stage.messages += 2 * times * p
  }

  /// Every rank gets the parts of all ranks, in four gatherings, each after its counts.
  func toAll(_ stage: inout CostModel.Stage, bytes: Double) {
    if ranks == 1 { return }
    stage.communication += foreign * bytes / machine.bandwidth + 8 * p * machine.latency
    stage.bytes += bytes
    stage.messages += 8 * p
  }

  /// The ranks' parts of lists are put together in each node's memory (`NodeLists`): nodes add up what they have.
  func toNodes(_ stage: inout CostModel.Stage, bytes: Double) {
    if nodes == 1 { return }
    // Where no two ranks share memory, they gather.
    if nodes == ranks { return toAll(&stage, bytes: bytes) }
    let all = Double(nodes)
    stage.communication +=
      2 * bytes / machine.bandwidth + 2 * log2(all).rounded(.up) * machine.latency
    stage.bytes += all * bytes
    stage.messages += 2 * all
  }

  /// Every rank needs the rows of so many images; those of its node lie in memory that it sees.
  func fetch(_ stage: inout CostModel.Stage, rowsPerRank: Double, rounds: Double) {
    if nodes == 1 { return }
    let bytes = otherNodes * rowsPerRank * (row + 4)
    stage.communication += bytes / machine.bandwidth + 4 * rounds * p * machine.latency
    stage.bytes += p * bytes
    stage.messages += 4 * rounds * p
  }

  /// Pairs go to their homes (8 bytes) and to the ranks that score them, of which most lie there already; each score
  /// goes to two ranks (16 bytes). What homes there are follows from n sums.
  /// - Parameter part: of the pairs that travel; others stay where their images are.
  func sharing(
    _ stage: inout CostModel.Stage, candidates: Double, batches: Double, part: Double = 1
  ) {
    for _ in 0..<Int(batches) { tree(&stage, bytes: 8 * n) }
    let pairs = part * n * candidates
    exchange(&stage, bytes: 8 * pairs, times: 2 * batches)
    exchange(&stage, bytes: 32 * 0.7 * pairs, times: batches)
  }

  /// 104 bytes a particle.
  func input(_ stage: inout CostModel.Stage) {
    if ranks > 1 { tree(&stage, bytes: 104 * n) }
  }

  /// What was found of each image, nine numbers, is gathered by all ranks; a few sums of profiles.
  func survey(_ stage: inout CostModel.Stage) { toAll(&stage, bytes: 72 * n) }

  /// The moments' sums, 8 bytes for each product of a group.
  func covariance(_ stage: inout CostModel.Stage) {
    guard ranks > 1 else { return }
    let products = job.basis.reduce(0) { $0 + $1 * ($1 + 1) / 2 }
    tree(&stage, bytes: 8 * Double(job.groups) * Double(products))
    stage.communication += Double(job.basis.count) * log2(p).rounded(.up) * machine.latency
    stage.messages += Double(job.basis.count) * p
  }

  /// Blocks travel half the ring while others are compared; lists of `capacity` candidates go back, 8 bytes
  /// each, and 4 bytes of thresholds come with each image.
  /// - Parameter stepSeconds: the work between two arrivals, behind which a block hides.
  func search(_ stage: inout CostModel.Stage, capacity: Double, stepSeconds: Double) {
    guard ranks > 1 else { return }
    fetch(&stage, rowsPerRank: n / p, rounds: (n / p / 4096).rounded(.up))
    let steps = (p / 2).rounded(.down)
    let block = n / p * (row + 8)
    let back = n / p * (8 * capacity + 4)
    let late = max(0, block / machine.bandwidth - stepSeconds)
    stage.communication += steps * (late + back / machine.bandwidth + 4 * machine.latency)
    stage.bytes += p * steps * (block + back)
    stage.messages += p * steps * 3
    // Of the rows that two ranks share, one asks for its half in some hundred chunks.
    if ranks % 2 == 0 { stage.messages += p / 2 * min(96, n / p / 16) }
  }

  /// Pairs and scores on their way, the images of the pairs in batches; the lists go to all (13 bytes an entry).
  func scoring(_ stage: inout CostModel.Stage, candidates: Double, kept: Double) {
    guard ranks > 1 else { return }
    let pairs = 0.7 * n * candidates
    let batches = max(1, (pairs / p / 131_072).rounded(.up))
    sharing(&stage, candidates: candidates, batches: 1)
    fetch(&stage, rowsPerRank: batches * min(n, 2 * pairs / p / batches), rounds: batches)
    toAll(&stage, bytes: 13 * n * kept)
  }

  /// Images whose members a rank fetches at a time (`CoefficientStore.chunk`).
  var together: Double { 1024 * Double(job.members + 1) < n ? 1024 : n / p }

  /// Members of each class, all pairs.
  func classes(_ stage: inout CostModel.Stage) {
    guard ranks > 1 else { return }
    let rounds = (n / p / together).rounded(.up)
    fetch(
      &stage, rowsPerRank: rounds * min(n, n / p / rounds * Double(job.members + 1)),
      rounds: rounds)
  }

  /// Members of each class, and of the neighbours' classes; by reference classes after the rows have found the ranks that
  /// own them in the locality order.
  func probabilities(_ stage: inout CostModel.Stage) {
    guard ranks > 1 else { return }
    if job.search == .landmarks {
      for _ in 0..<2 { fetchPatches(&stage, candidates: job.members, atATime: together) }
      fetch(&stage, rowsPerRank: n / p, rounds: (n / p / 4096).rounded(.up))
      return
    }
    for _ in 0..<2 { classes(&stage) }
  }

  /// Members of each average, and six numbers about its pixels for the header.
  func averages(_ stage: inout CostModel.Stage) {
    guard ranks > 1 else { return }
    let written = Double(job.averages)
    fetch(
      &stage, rowsPerRank: written / p * Double(job.neighbours + 1),
      rounds: (written / p / 256).rounded(.up))
    root(&stage, bytes: 48 * written)
  }
}
