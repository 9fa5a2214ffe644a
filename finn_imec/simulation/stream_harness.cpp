#include "stream_harness.h"

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#elif VM_TRACE
#include "verilated_vcd_c.h"
#endif

// Output of the design, for the error message of a failing run.
static thread_local std::string printed;

int harness_printf(const char* format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    const int n = std::vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (printed.size() > 4096) printed.erase(0, 2048);
    printed += line;
    return n;
}

// Verilator's own handlers end the process; these end only the run.
[[noreturn]] static void stop(const char* file, int line, const std::string& what) {
    const std::string where = *file ? std::string{" at "} + file + ":" + std::to_string(line) : "";
    throw std::runtime_error(what + where + (printed.empty() ? "" : "; the design printed: " + printed));
}
// A simulation is being deleted, which must not throw: errors from writing waveforms are ignored.
static thread_local bool closing = false;

void vl_fatal(const char* file, int line, const char*, const char* message) {
    if (!closing) stop(file, line, message);
}
void vl_warn(const char* file, int line, const char*, const char* message) {
    stop(file, line, message);
}
void vl_stop(const char* file, int line, const char*) { stop(file, line, "$stop or $error"); }
void vl_finish(const char* file, int line, const char*) { stop(file, line, "$finish"); }

namespace {

class Stall {
  public:
    explicit Stall(const StreamRun& run)
        : kind_{run.stall_kind}, a_{run.stall_a}, b_{run.stall_b}, random_{run.seed} {
        restart();
    }

    void restart() {
        wait_ = 0;
        pause_ = b_;
        seen_ = holding_ = false;
    }

    // Whether the stream may move in this cycle. Called once per cycle out of reset.
    bool open(uint64_t cycle, uint64_t moved) {
        holding_ = false;
        switch (kind_) {
        case STALL_RANDOM: return (next_random() >> 32) >= a_;
        case STALL_DUTY: return cycle % b_ < a_;
        case STALL_PERIOD:
            holding_ = wait_ != 0;
            if (holding_) --wait_;
            return !holding_;
        case STALL_PAUSE:
            holding_ = moved == a_ && pause_ != 0;
            if (holding_) --pause_;
            return !holding_;
        case STALL_AFTER_VALID: return seen_;
        default: return true;
        }
    }

    void sampled(bool valid, bool handshake) {
        seen_ = valid && !handshake;
        if (handshake && kind_ == STALL_PERIOD) wait_ = a_ - 1;
    }

    // True during a wait of known length, which is no sign of a deadlock.
    bool holding() const { return holding_; }

  private:
    uint64_t next_random() {  // splitmix64
        uint64_t z = (random_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

    uint64_t kind_, a_, b_, random_;
    uint64_t wait_, pause_;
    bool seen_, holding_;
};

class Producer {
  public:
    Producer(const StreamPins& pins, StreamRun& run)
        : pins_{pins}, run_{run}, stall_{run}, bytes_{(pins.bits + 7) / 8} {}

    void reset(uint64_t segment) {
        segment_ = segment;
        first_ = segment == 0 ? 0 : run_.restart;
        stall_.restart();
        idle();
    }

    void drive(int64_t cycle) {
        const bool open = stall_.open(cycle, moved());
        if (pending_) return;
        if (open && left() != 0) {
            std::memcpy(pins_.tdata, run_.words + (first_ + moved()) * bytes_, bytes_);
            *pins_.tvalid = 1;
            pending_ = true;
        } else {
            idle();
        }
    }

    bool sample(int64_t cycle) {
        const bool handshake = pending_ && *pins_.tready;
        if (handshake) {
            run_.cycles[segment_ * run_.n_words + moved()] = cycle;
            ++run_.moved[segment_];
            pending_ = false;
        }
        stall_.sampled(true, handshake);
        return handshake;
    }

    void idle() {
        // Invalid data always differs from the last word, so that a design that uses it fails.
        if (*pins_.tvalid) {
            for (uint64_t i = 0; i < bytes_; ++i) pins_.tdata[i] = ~pins_.tdata[i];
            if (pins_.bits % 8) pins_.tdata[bytes_ - 1] &= (1 << pins_.bits % 8) - 1;
        }
        *pins_.tvalid = 0;
        pending_ = false;
    }

    bool holding() const { return stall_.holding(); }
    void report_stuck() { run_.stuck = pending_; }

  private:
    uint64_t moved() const { return run_.moved[segment_]; }
    uint64_t left() const { return run_.n_words - first_ - moved(); }

    StreamPins pins_;
    StreamRun& run_;
    Stall stall_;
    uint64_t bytes_;
    uint64_t segment_ = 0;
    uint64_t first_ = 0;
    bool pending_ = false;
};

class Consumer {
  public:
    Consumer(const StreamPins& pins, StreamRun& run)
        : pins_{pins}, run_{run}, stall_{run}, bytes_{(pins.bits + 7) / 8}, waiting_(bytes_) {}

    void reset(uint64_t segment) {
        segment_ = segment;
        run_.extra = 0;
        stall_.restart();
        idle();
        held_ = false;
    }

    void idle() { *pins_.tready = 0; }

    void drive(int64_t cycle) { *pins_.tready = stall_.open(cycle, run_.moved[segment_]); }

    bool valid() const { return *pins_.tvalid; }

    // Returns true on a handshake; calls violated(rule) for every broken rule.
    template <class Violated>
    bool sample(int64_t cycle, Violated violated) {
        const bool valid = *pins_.tvalid;
        const bool handshake = valid && *pins_.tready;
        if (held_ && !valid) violated(RULE_WITHDRAWN);
        if (held_ && valid && std::memcmp(waiting_.data(), pins_.tdata, bytes_) != 0)
            violated(RULE_CHANGED);
        held_ = valid && !handshake;
        if (held_) std::memcpy(waiting_.data(), pins_.tdata, bytes_);
        if (handshake) {
            uint64_t& moved = run_.moved[segment_];
            if (moved == run_.n_words) {
                ++run_.extra;
            } else {
                const uint64_t slot = segment_ * run_.n_words + moved;
                std::memcpy(run_.words + slot * bytes_, pins_.tdata, bytes_);
                run_.cycles[slot] = cycle;
                ++moved;
            }
        }
        stall_.sampled(valid, handshake);
        return handshake;
    }

    bool complete() const { return run_.moved[segment_] == run_.n_words; }
    bool holding() const { return stall_.holding(); }
    void report_stuck() { run_.stuck = !complete(); }

  private:
    StreamPins pins_;
    StreamRun& run_;
    Stall stall_;
    uint64_t bytes_;
    std::vector<uint8_t> waiting_;
    uint64_t segment_ = 0;
    bool held_ = false;
};

// Observes streams inside a design.
class Probes {
  public:
    Probes(const DesignPins& pins, ProbeRun* runs) : pins_{pins}, runs_{runs} {}

    void reset() {
        for (uint64_t i = 0; i < pins_.n_probes; ++i) {
            const int64_t drained_by = runs_[i].drained_by;
            runs_[i] = {};
            runs_[i].drained_by = drained_by;
            runs_[i].first = runs_[i].last = -1;
        }
    }

    // True on any handshake.
    bool sample(int64_t cycle) {
        bool progress = false;
        for (uint64_t i = 0; i < pins_.n_probes; ++i) {
            ProbeRun& run = runs_[i];
            run.valid = bit(pins_.probe_tvalid, i);
            run.ready = bit(pins_.probe_tready, i);
            if (run.valid && run.ready) {
                if (run.words++ == 0) run.first = cycle;
                run.last = cycle;
                progress = true;
            } else {
                run.blocked += run.valid;
                run.starved += run.ready;
            }
        }
        for (uint64_t i = 0; i < pins_.n_probes; ++i) {
            ProbeRun& run = runs_[i];
            if (run.drained_by < 0) continue;
            const uint64_t drained = runs_[run.drained_by].words;
            if (run.words > drained) run.peak = std::max(run.peak, run.words - drained);
        }
        return progress;
    }

  private:
    static bool bit(const uint8_t* bits, uint64_t i) { return bits[i / 8] >> i % 8 & 1; }

    const DesignPins& pins_;
    ProbeRun* runs_;
};

// One design with its own reset, streams and cycle counter.
//
// Cycle 0 is the first cycle in which AXI4-Stream lets a producer raise TVALID: rst_n is low in cycles
// -1 - reset_cycles .. -2, and high from cycle -1 on.
class Design {
  public:
    Design(const DesignPins& pins, DesignRun& run)
        : rst_n_{pins.rst_n}, run_{run}, probes_{pins, run.probes} {
        for (size_t i = 0; i < pins.inputs.size(); ++i)
            inputs_.emplace_back(pins.inputs[i], run.inputs[i]);
        for (size_t i = 0; i < pins.outputs.size(); ++i)
            outputs_.emplace_back(pins.outputs[i], run.outputs[i]);
        reset();
    }

    bool running() const { return run_.status == RUNNING; }

    void drive() {
        if (segment_ < run_.n_resets && cycle_ == run_.reset_at[segment_]) {
            ++segment_;
            reset();
        }
        *rst_n_ = cycle_ >= -1;
        if (cycle_ < 0) return;
        for (Producer& input : inputs_) input.drive(cycle_);
        for (Consumer& output : outputs_) output.drive(cycle_);
    }

    void sample() {
        if (cycle_ < 0) {
            // In the first reset cycle, a synchronous reset has not taken effect yet.
            if (cycle_ > -1 - run_.reset_cycles)
                for (size_t i = 0; i < outputs_.size(); ++i)
                    if (outputs_[i].valid()) violated(i, RULE_RESET);
            ++cycle_;
            return;
        }
        bool progress = !complete_ && probes_.sample(cycle_), complete = true, holding = false;
        for (Producer& input : inputs_) {
            progress |= input.sample(cycle_);
            holding |= input.holding();
        }
        for (size_t i = 0; i < outputs_.size(); ++i) {
            Consumer& output = outputs_[i];
            progress |= output.sample(cycle_, [&](Rule rule) { violated(i, rule); });
            holding |= output.holding();
            complete &= output.complete();
        }
        complete_ = complete;
        if (progress) idle_ = 0;
        else if (!holding) ++idle_;
        ++cycle_;
        if (segment_ < run_.n_resets) return;
        if (complete ? idle_ >= run_.drain : idle_ >= run_.timeout)
            finish(complete ? COMPLETE : DEADLOCK);
        else if (cycle_ == run_.max_cycles)
            finish(complete ? COMPLETE : OUT_OF_CYCLES);
    }

  private:
    void reset() {
        cycle_ = -1 - run_.reset_cycles;
        idle_ = 0;
        complete_ = false;
        *rst_n_ = 0;
        probes_.reset();
        for (Producer& input : inputs_) input.reset(segment_);
        for (Consumer& output : outputs_) output.reset(segment_);
    }

    void finish(Status status) {
        run_.status = status;
        if (status != COMPLETE) {
            for (Producer& input : inputs_) input.report_stuck();
            for (Consumer& output : outputs_) output.report_stuck();
        }
        // A design in reset takes little simulation time from those that still run.
        *rst_n_ = 0;
        for (Producer& input : inputs_) input.idle();
        for (Consumer& output : outputs_) output.idle();
    }

    void violated(uint64_t output, Rule rule) {
        if (run_.n_violations < run_.max_violations)
            run_.violations[run_.n_violations] = {output, rule, segment_, cycle_};
        ++run_.n_violations;
    }

    uint8_t* rst_n_;
    DesignRun& run_;
    std::vector<Producer> inputs_;
    std::vector<Consumer> outputs_;
    Probes probes_;
    bool complete_ = false;
    uint64_t segment_ = 0;
    int64_t cycle_ = 0;
    uint64_t idle_ = 0;
};

class Simulation {
  public:
    // Waveforms hold the state before clock cycle waves_from and all changes from there to waves_to.
    Simulation(DesignRun* runs, uint64_t seed, const char* waves, uint64_t waves_from,
               uint64_t waves_to)
        : waves_from_{waves_from}, waves_to_{waves_to} {
        printed.clear();
        context_.randReset(2);  // registers and memories with no initial value start at random
        context_.randSeed(static_cast<int>(seed));
        if (waves) context_.traceEverOn(true);
        model_ = make_model(context_);
        for (size_t i = 0; i < model_->designs.size(); ++i)
            designs_.emplace_back(model_->designs[i], runs[i]);
#if VM_TRACE
        if (waves) {
            waves_ = std::make_unique<TraceFile>();
            model_->trace(*waves_);
            waves_->open(waves);
            if (!waves_->isOpen()) throw std::runtime_error(std::string{"cannot write "} + waves);
            waves_file_ = waves;
        }
#endif
    }

    ~Simulation() { closing = true; }

    // True when every design has finished.
    bool advance(uint64_t cycles) {
        Verilated::threadContextp(&context_);
        for (; cycles != 0; --cycles) {
            bool running = false;
            for (Design& design : designs_)
                if (design.running()) {
                    running = true;
                    design.drive();
                }
            if (!running) {
                finish_waves();
                return true;
            }
            // New inputs and the falling edge share one evaluation: designs use the rising edge.
            *model_->clk = 0;
            half_cycle();
            for (Design& design : designs_)
                if (design.running()) design.sample();
            *model_->clk = 1;
            half_cycle();
            ++cycles_;
        }
        return false;
    }

    uint64_t cycles() const { return cycles_; }

  private:
    void half_cycle() {
        model_->eval();
#if VM_TRACE
        if (cycles_ + *model_->clk >= waves_from_ && cycles_ < waves_to_)
            write_waves([this] { waves_->dump(context_.time()); });
#endif
        context_.timeInc(5);
    }

    void finish_waves() {
#if VM_TRACE
        write_waves([this] { waves_->close(); });
#endif
    }

#if VM_TRACE
    // Removes a waveform file that is incomplete, for example because the disk is full.
    template <class Action>
    void write_waves(Action action) {
        if (!waves_ || !waves_->isOpen()) return;
        std::string reason;
        errno = 0;
        try {
            action();
        } catch (const std::exception& e) {
            reason = e.what();
        }
        // The FST writer does not check every write to its stream.
        const int error = errno;
        if (error == ENOSPC || error == EDQUOT || error == EFBIG) reason = std::strerror(error);
        if (reason.empty()) return;
        waves_.release();  // closing it would fail again
        std::remove(waves_file_.c_str());
        throw std::runtime_error("cannot write " + waves_file_ + ": " + reason);
    }
#endif

    VerilatedContext context_;
    std::unique_ptr<Model> model_;
#if VM_TRACE
    std::string waves_file_;
    std::unique_ptr<TraceFile> waves_;
#endif
    std::vector<Design> designs_;
    uint64_t cycles_ = 0;
    const uint64_t waves_from_, waves_to_;
};

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* sim_open(DesignRun* designs, uint64_t seed,
                                                      const char* waves, uint64_t waves_from,
                                                      uint64_t waves_to, char* error,
                                                      uint64_t size) {
    try {
        return new Simulation{designs, seed, waves, waves_from, waves_to};
    } catch (const std::exception& e) {
        std::snprintf(error, size, "%s", e.what());
        return nullptr;
    }
}

// 1: all designs finished; 0: not yet; -1: the message is in `error`.
__attribute__((visibility("default"))) int sim_advance(void* sim, uint64_t cycles, char* error,
                                                       uint64_t size) {
    try {
        return static_cast<Simulation*>(sim)->advance(cycles);
    } catch (const std::exception& e) {
        std::snprintf(error, size, "%s", e.what());
        return -1;
    }
}

__attribute__((visibility("default"))) uint64_t sim_cycles(void* sim) {
    return static_cast<Simulation*>(sim)->cycles();
}

__attribute__((visibility("default"))) void sim_close(void* sim) {
    delete static_cast<Simulation*>(sim);
    closing = false;
}
}
