import ClassAveraging
import Foundation
import ParticleIO
import TestSupport
import Testing

@testable import Planning
@testable import Report

@Suite struct PlanTests {
  let model = CostModel(machine: .builtIn)

  func job(images: Int) -> PlannedJob {
    PlannedJob(images: images, box: 65, bandLimit: 0.2, components: 100)
  }

  func stage(
    _ name: String, _ job: PlannedJob, ranks: Int = 1, threads: Int = 1, nodes: Int = 1
  ) throws -> CostModel.Stage {
    var model = model
    model.ranksPerNode = ranks / nodes
    return try #require(
      model.stages(job, ranks: ranks, threads: threads).first { $0.name == name })
  }

  /// Pairs by hand: 100 components at 20 frequencies on a grid of 64 angles, 8 x 100 + 16 (8 x 20 + 24)
  /// operations each.
  @Test func pairTimeIsThatOfTheOperations() throws {
    var job = job(images: 100_000)
    job.components = [Int](repeating: 5, count: 20)
    let operations = 8.0 * 100 + 16 * (8 * 20 + 24)
    let images = 100_000.0 + 8 * (20 + 1)
    let pairs = images * images / 2 * operations * Machine.builtIn.pairOperation
    let capacity = 60.0
    let lists = capacity * 1e5 * log2(1e5 / capacity) * Machine.builtIn.candidate
    #expect(abs(try stage("all pairs", job).shared / (pairs + lists) - 1) < 1e-12)
  }

  @Test func doublingTheImagesQuadruplesThePairsAndDoublesTheRest() throws {
    let (one, two) = (job(images: 1_000_000), job(images: 2_000_000))
    for name in ["all pairs", "pass 2"] {
      let ratio = try stage(name, two).shared / stage(name, one).shared
      #expect(ratio > 3.9 && ratio < 4.001, "\(name) \(ratio)")
    }
    let ratio = try stage("coefficients", two).shared / stage("coefficients", one).shared
    #expect(abs(ratio - 2) < 1e-12)
    // What rank 0 does alone grows no faster than the images.
    for name in ["input", "affinity", "pass 2", "lists", "finish"] {
      let ratio = try stage(name, two).root / stage(name, one).root
      #expect(abs(ratio - 2) < 1e-12, "\(name)")
    }
  }

  /// By hand: a disk that is slower than the averages are made is waited for, one that is faster only for the lists.
  @Test func theDiskTakesAveragesWhileTheyAreMade() throws {
    let job = job(images: 100_000)
    func finish(storedByte: Double) throws -> (seconds: Double, averages: Double) {
      var machine = Machine.builtIn
      machine.storedByte = storedByte
      let stages = CostModel(machine: machine).stages(job, ranks: 16)
      let averages = try #require(stages.first { $0.name == "averages" })
      return (try #require(stages.last).root, averages.seconds(ranks: 16))
    }
    let slow = try finish(storedByte: 1e-8)
    let (images, lists): (Double, Double) = (4e5 * 65 * 65 * 1e-8, 13e5 * 10 * 1e-8)
    #expect(abs(slow.seconds - (images - slow.averages + lists)) < 1e-9)
    let fast = try finish(storedByte: 1e-11)
    #expect(abs(fast.seconds - 13e5 * 10 * 1e-11) < 1e-12)
  }

  /// Of the search rank 0 alone only saves the lists: 13 bytes for each of 50 neighbours.
  @Test func rankZeroDoesNoMoreOfTheSearchThanOthers() throws {
    let job = job(images: 100_000)
    for name in ["affinity", "pass 2"] {
      let stage = try stage(name, job, ranks: 64)
      #expect(abs(stage.root / (13 * 1e5 * 50 * (8.6e-10 + 4e-10)) - 1) < 1e-9)
    }
    let share = try Plan(job, model: model, ranks: 16).rootShare
    #expect(share < 0.05)
    // A rank holds its own part of the candidates, 15 bytes each beside a batch, and its own rows.
    let (few, many) = try (
      stage("affinity", job, ranks: 8).memory, stage("affinity", job, ranks: 16).memory
    )
    #expect(abs((few - many) / (6250 * (15 * 60 + 8 * 100)) - 1) < 1e-9)
  }

  /// By hand: writing 4 x 65^2 bytes of each average is work of all ranks.
  @Test func everyRankWritesItsAverages() throws {
    var machine = Machine.builtIn
    let job = job(images: 100_000)
    let writing: Double = 4 * 1e5 * 65 * 65 * 1e-9
    func averages(_ byte: Double, ranks: Int) throws -> CostModel.Stage {
      machine.writtenByte = byte
      let stages = CostModel(machine: machine).stages(job, ranks: ranks)
      return try #require(stages.first { $0.name == "averages" })
    }
    for ranks in [1, 2, 4, 64, 1024] {
      let (free, usual) = try (averages(0, ranks: ranks), averages(1e-9, ranks: ranks))
      #expect(usual.root == 0 && free.root == 0)
      let longer = usual.seconds(ranks: ranks) - free.seconds(ranks: ranks)
      #expect(abs(longer * Double(ranks) / writing - 1) < 1e-9)
    }
  }

  @Test func timeGrowsWithTheJobAndFallsWithTheRanks() throws {
    let base = job(images: 50_000)
    let seconds = try Plan(base, model: model, ranks: 4).seconds
    var jobs: [PlannedJob] = [
      job(images: 60_000), PlannedJob(images: 50_000, box: 97, components: 100),
      PlannedJob(images: 50_000, box: 65, components: 200),
    ]
    jobs += [base, base]
    jobs[3].passes += 1
    jobs[4].groups *= 2
    for other in jobs {
      let time = try Plan(other, model: model, ranks: 4).seconds
      #expect(time > seconds)
    }
    let times = try (0...7).map { try Plan(base, model: model, ranks: 1 << $0).seconds }
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 > $1 })
    let efficiencies = try (0...12).map { try Plan(base, model: model, ranks: 1 << $0).efficiency }
    #expect(efficiencies[0] == 1)
    #expect(zip(efficiencies, efficiencies.dropFirst()).allSatisfy { $0 > $1 })
  }

  @Test func memoryOfARankFallsWithTheRanksAndGrowsWithTheImages() throws {
    let job = job(images: 100_000)
    let bytes = try (0...5).map { try stage("all pairs", job, ranks: 1 << $0).memory }
    #expect(zip(bytes, bytes.dropFirst()).allSatisfy { $0 > $1 })
    // The rows 8 C of half the images, of which two ranks hold a travelling block too.
    #expect(bytes[0] - bytes[1] > 50_000 * 800)
    #expect(try stage("all pairs", self.job(images: 200_000)).memory > bytes[0])
    // Threads have lists of their own.
    #expect(try stage("all pairs", job, threads: 2).memory > bytes[0])
  }

  @Test func nothingIsSentOnOneRank() throws {
    let job = job(images: 10_000)
    for stage in model.stages(job, ranks: 1) {
      #expect(stage.communication == 0 && stage.bytes == 0 && stage.messages == 0, "\(stage.name)")
    }
    // On two nodes each rank fetches its rows, half of them from the other; on one it sees them. Each block visits
    // half of the ring: 2 ranks send 2 blocks of 5,000 rows once, and lists back.
    let row = 8.0 * 100
    for nodes in 1...2 {
      let bytes = try stage("all pairs", job, ranks: 2, nodes: nodes).bytes
      let rows = (1 + 0.5 * Double(nodes - 1)) * row
      #expect(bytes > 10_000 * rows && bytes < 10_000 * (rows + 8 * 60 + 100))
    }
  }

  /// Ranks of a node have one copy of the images' rows, 8 C bytes each.
  @Test func aNodeHoldsItsRowsOnce() throws {
    let job = job(images: 100_000)
    let rows: Double = 1e5 * 800
    let plan = try Plan(job, model: model, ranks: 16)
    #expect(plan.nodeMemory < 16 * plan.memory - 14 * rows)
    let stage = try stage("affinity", job, ranks: 16)
    #expect(stage.commonMemory == rows && stage.memory > rows)
    #expect(try self.stage("affinity", job, ranks: 16, nodes: 4).commonMemory == rows / 4)
  }

  /// And one of what reference classes propose, 8 bytes an entry, 2000 entries a reference class at most; nodes add up theirs.
  @Test func aNodeHoldsProposalsOnce() throws {
    var job = job(images: 1_000_000)
    job.search = .landmarks
    let (rows, lists): (Double, Double) = (1e6 * 800, 8 * 2500 * 2000)
    let shared = try stage("co-assignment", job, ranks: 16)
    #expect(shared.commonMemory == 3 * rows + lists)
    let last = try stage("projections", job, ranks: 16)
    #expect(last.commonMemory > 3 * rows + lists && last.memory > last.commonMemory)
    // A round's lists, on two nodes but not on one; besides, rows of the other node.
    let more = try stage("co-assignment", job, ranks: 16, nodes: 2).bytes - shared.bytes
    #expect(more > 2 * 2 * lists)
  }

  @Test func ranksThatPayAreThoseAboveHalfEfficiency() throws {
    let job = job(images: 20_000)
    let ranks = Plan.payingRanks(job, model: model)
    #expect(try Plan(job, model: model, ranks: ranks).efficiency >= 0.5)
    #expect(try Plan(job, model: model, ranks: ranks * 33 / 32 + 2).efficiency < 0.5)
    #expect(Plan.payingRanks(self.job(images: 200_000), model: model) > ranks)
  }

  @Test func advicePicksWhatFitsTheMemory() throws {
    let job = job(images: 100_000)
    let free = try #require(
      Plan.best(job, model: model, nodes: 1, coresPerNode: 16, memoryPerNode: nil))
    #expect(free.cores == 16)
    let tight = try #require(
      Plan.best(
        job, model: model, nodes: 1, coresPerNode: 16, memoryPerNode: free.nodeMemory * 0.6))
    #expect(tight.cores == 16 && tight.threads > free.threads)
    #expect(tight.nodeMemory <= free.nodeMemory * 0.6)
    #expect(Plan.best(job, model: model, nodes: 1, coresPerNode: 16, memoryPerNode: 1e6) == nil)
    let report = PlanReport(
      try Plan(job, model: model, ranks: 16), coresPerNode: 16, memoryPerNode: 1e6)
    #expect(report.text.contains("No number of ranks and threads fits"))
  }

  /// 0.01 core hours at 37e9 operations a second, 3,744 for a pair as above, are those of 26,675 images.
  @Test func allPairsAreTakenWhileTheyFitTheBudget() {
    var job = job(images: 2)
    job.components = [Int](repeating: 5, count: 20)
    #expect(SearchCost.automaticSearch(images: 26_675, layout: job.layout) == .allPairs)
    #expect(SearchCost.automaticSearch(images: 26_676, layout: job.layout) == .landmarks)
  }

  @Test func referenceClassesCostMoreWithTheImages() throws {
    var (one, two) = (job(images: 1_000_000), job(images: 2_000_000))
    (one.search, two.search) = (.landmarks, .landmarks)
    (one.references, two.references) = (5000, 5000)
    for name in ["reference classes", "candidates", "pass 2"] {
      let ratio = try stage(name, two).shared / stage(name, one).shared
      #expect(ratio > 1.99 && ratio <= 2.01, "\(name) \(ratio)")
    }
    // The reference classes among themselves are a job of their own, without what is saved.
    var sample = job(images: 5000)
    sample.probabilities = ProbabilitySource.none
    for name in ["all pairs", "affinity", "pass 2", "pass 4"] {
      let own = try stage(name, sample, ranks: 4)
      let inside = try stage("references/\(name)", two, ranks: 4)
      #expect(inside.shared == own.shared && inside.bytes == own.bytes && inside.root == 0)
    }
    #expect(!model.stages(two, ranks: 4).contains { $0.name == "probabilities" })
    // By hand: 3 x 1e6 x 5,000 comparisons and their best 40 are nearly all of the stage.
    one.components = [Int](repeating: 5, count: 20)
    let pairs: Double = 3 * 1e6 * 5000 * 3744 * Machine.builtIn.pairOperation
    let entered: Double = 3 * 1e6 * 40 * log2(5000.0 / 40) * Machine.builtIn.candidate
    #expect(try stage("reference classes", one).shared > pairs + entered)
    #expect(try stage("reference classes", one).shared < 1.05 * (pairs + entered))
  }

  /// By hand, 1,000,000 images on 64 ranks: patches of 125^2 images, which a side longer by 15 makes 20 % larger;
  /// 3 batches of 5,208 images, each of which needs (72.2 + 30)^2 rows.
  @Test func ranksThatOwnPatchesFetchLittle() throws {
    var job = job(images: 1_000_000)
    (job.search, job.passes) = (.landmarks, 1)
    let remote: Double = 1 - 125 * 125 / (140 * 140)
    let fetched: Double = 64 * 3 * 10_438 * remote * (8 * 100 + 4)
    // Rows to the ranks that own them in the order.
    let rows: Double = 1e6 * (800 + 4) * 63 / 64
    // Pairs of reference classes, lists twice; places and neighbours to all; lists to other nodes.
    let moved: Double = 1e6 * (144 + 320 + 320) * 63 / 64
    let gathered: Double = 1e6 * (4 + 130)
    let lists: Double = 1e6 * 320
    // Pairs whose images two ranks own, 8 bytes each, and the scores of seven tenths of them, twice 16; how many pairs
    // there are of each image, for each batch.
    let pairs: Double = remote * 1e8 * (8 + 0.7 * 32) + 3 * 63 * 8e6
    for (nodes, expected) in [
      (1, moved + gathered + pairs), (64, moved + gathered + lists + pairs + rows + fetched),
    ] {
      let bytes = try stage("candidates", job, ranks: 64, nodes: nodes).bytes
      #expect(abs(bytes / expected - 1) < 0.01, "\(bytes) and \(expected)")
    }
  }

  /// After the passes and, in the calibration, after its passes; not among the reference classes; none after a single pass.
  @Test func roundsFollowThePasses() throws {
    func names(_ job: PlannedJob) -> [String] { model.stages(job, ranks: 2).map(\.name) }
    var job = job(images: 100_000)
    let all = names(job)
    for prefix in ["", "calibration/"] {
      let last = try #require(all.firstIndex(of: prefix + "pass 4"))
      #expect(all[last + 1] == prefix + "co-assignment")
    }
    job.search = .landmarks
    #expect(names(job).count { $0.hasSuffix("co-assignment") } == 1)
    job.rounds = 0
    #expect(!names(job).contains { $0.hasSuffix("co-assignment") })
    (job.rounds, job.passes) = (3, 1)
    #expect(!names(job).contains { $0.hasSuffix("co-assignment") })
  }

  /// By hand, 1,000,000 images and 5,000 reference classes: what a round adds, of classes of 201 images from the second on,
  /// and that the first round and the end make classes of 51.
  @Test func roundsOfCoAssignment() throws {
    var job = job(images: 1_000_000)
    (job.search, job.components) = (.landmarks, [Int](repeating: 5, count: 20))
    job.references = 5000
    let machine = Machine.builtIn
    func rounds(_ count: Int) throws -> CostModel.Stage {
      job.rounds = count
      return try stage("co-assignment", job)
    }
    let turn: Double = 100 + 8 * 20
    func members(_ count: Double, alignments: Double) -> Double {
      let small: Double = 500 * 20 + (20 + 4) * 20 * 25 / 2 + 20 * 125 / 3
      let operations = 4 * count * turn + small
      return operations * machine.classOperation
        + alignments * count * 3744 * machine.scoredOperation
    }
    let kept: Double = 100 + 2 * 5000 * 201 / 1e6
    let entered = kept * log2(5000 / kept) * machine.candidate
    let compared: Double = 1e6 * (5000 * 3744 * machine.pairOperation + entered)
    // Classes, aligned to what they are without each, and the next ones' new members, of all that 100 lists propose;
    // members take half of what a candidate does.
    let proposals: Double = 100 * 2000 * machine.collectedCandidate / 1000
    let added = compared + 5000 * (members(201, alignments: (1 + 1.0 / 7) / 2) + proposals)
    let (two, three) = try (rounds(2), rounds(3))
    #expect(abs((three.shared - two.shared) / added - 1) < 1e-9)
    let saved: Double = 17 * 5000 * 201 * (machine.writtenByte + machine.storedByte)
    #expect(abs((three.root - two.root) / saved - 1) < 1e-9)
    // Of fewer images all are reference classes.
    job.images = 4000
    #expect(
      job.coAssignmentReferences == 4000 && job.coAssignmentMembers == 80 && job.members == 40)
  }

  /// By hand: what a projection more costs is its comparison with all images; projections need rounds.
  @Test func projectionsFollowTheRounds() throws {
    var job = job(images: 1_000_000)
    (job.search, job.components) = (.landmarks, [Int](repeating: 5, count: 20))
    job.probabilities = ProbabilitySource.none
    let last = model.stages(job, ranks: 2).map(\.name).suffix(5)
    #expect(Array(last) == ["volume", "projections", "lists", "averages", "finish"])
    func projections(_ count: Int) throws -> Double {
      job.projections = count
      return try stage("projections", job).shared
    }
    let (one, two) = try (projections(10_000), projections(20_000))
    let entered = 100 * (log2(200.0) - log2(100.0)) * Machine.builtIn.candidate
    let compared: Double = 1e4 * 3744 * Machine.builtIn.pairOperation
    #expect(abs((two - one) / (1e6 * (compared + entered)) - 1) < 0.01)
    job.rounds = 0
    #expect(
      !model.stages(job, ranks: 2).contains { $0.name == "projections" || $0.name == "volume" })
    // The volume of the simulated images is then made for them alone.
    job.probabilities = ProbabilitySource.simulation
    #expect(model.stages(job, ranks: 2).count { $0.name == "calibration/volume" } == 1)
  }

  /// Reference classes in a locality order have members that are mostly their own rank's.
  @Test func roundsInALocalityOrderFetchLess() throws {
    var job = job(images: 1_000_000)
    job.probabilities = ProbabilitySource.none
    let pairs = try stage("co-assignment", job, ranks: 16, nodes: 16).bytes
    job.search = .landmarks
    let ordered = try stage("co-assignment", job, ranks: 16, nodes: 16).bytes
    // Words for 100 reference classes of each image, three times to the ranks that own those.
    #expect(ordered > 3 * 1e6 * 800 * 15 / 16 && ordered < 0.7 * pairs, "\(ordered) and \(pairs)")
  }

  @Test func constantsAreFoundAgain() {
    // Two runs of known cost, 3 a + 5 b.
    let rows = [(1.0, 10.0), (100.0, 20.0)].map { ($0.0, $0.1, 3 * $0.0 + 5 * $0.1) }
    let (x, y) = Calibration.solve(rows)
    #expect(abs(x - 3) < 1e-9 && abs(y - 5) < 1e-9)
    // Noise that would make one negative: the other alone, in between.
    let (alone, none) = Calibration.solve([(1, 1, 1), (2, 1, 3)])
    #expect(none == 0 && alone > 1 && alone < 1.5)
  }

  @Test func theMachinesFileReadsBack() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("new/machine.json")
    var machine = Machine.builtIn
    machine.pairOperation = 1.25e-11
    try machine.write(to: path)
    #expect(try Machine.read(from: path) == machine)
    machine.latency = -1
    try machine.write(to: path)
    let error = #expect(throws: InputError.self) { try Machine.read(from: path) }
    #expect(error?.description.contains("latency is -1.0") == true)
    #expect(throws: MachineFileError.self) { try Machine.read(from: folder.file("none.json")) }
  }

  @Test func componentsAreSpreadLikeTheBasis() {
    #expect(PlannedJob.spread(6, over: [4, 4, 2, 2]) == [2, 2, 1, 1])
    #expect(PlannedJob.spread(7, over: [4, 4, 2, 2]) == [3, 2, 1, 1])
    #expect(PlannedJob.spread(100, over: [4, 1]) == [4, 1])
  }
}
