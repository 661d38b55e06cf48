import Foundation
import Testing

extension CommandTests {
  /// OpenBLAS says which processor its kernels are for, each time that it is loaded.
  @Suite struct KernelTests {
    private func cores(_ environment: [String: String]) throws -> [String] {
      let run = try Command.run(
        ["--help"], environment: environment.merging(["OPENBLAS_VERBOSE": "2"]) { $1 })
      #expect(run.status == 0 && run.output.contains("USAGE"), "\(run.text)")
      return run.messages.split(separator: "\n").filter { $0.hasPrefix("Core: ") }.map {
        String($0.dropFirst("Core: ".count))
      }
    }

    @Test func thoseForAnOldProcessorAreReplaced() throws {
      let cores = try cores([:])
      let features = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
      if features.contains(" avx2 ") { #expect(cores.last != "Prescott") }
      #expect(cores.count == (cores.first == "Prescott" && cores.last != "Prescott" ? 2 : 1))
    }

    @Test func theUsersChoiceStays() throws {
      #expect(try cores(["OPENBLAS_CORETYPE": "Prescott"]) == ["Prescott"])
    }
  }
}
