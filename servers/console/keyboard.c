/* keyboard.c - the PS/2 keyboard, scan code set 1, US layout: keys become the bytes a terminal
 * would send, so that one line editor serves both. */
#include "keyboard.h"

#include <stddef.h>

#include "ports.h"

#define DATA                        0x60
#define COMMAND                     0x64
#define STATUS_FULL                 0x01
#define STATUS_BUSY                 0x02
#define STATUS_MOUSE                0x20
#define COMMAND_READ_CONFIGURATION  0x20
#define COMMAND_WRITE_CONFIGURATION 0x60
#define COMMAND_TEST_KEYBOARD       0xab
#define COMMAND_ENABLE              0xae
#define TEST_PASSED                 0x00
#define CONFIGURATION_INTERRUPT     0x01
#define CONFIGURATION_DISABLED      0x10
#define CONFIGURATION_TRANSLATE     0x40
#define KEYBOARD_ENABLE             0xf4
#define SPIN_MAX                    100000u

#define RELEASED        0x80
#define EXTENDED        0xe0
#define KEY_CONTROL     0x1d
#define KEY_SHIFT_LEFT  0x2a
#define KEY_SHIFT_RIGHT 0x36
#define KEY_CAPS_LOCK   0x3a

static const char keys_plain[] =
    "\0\0331234567890-=\177\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./"
    "\0*\0 ";
static const char keys_shifted[] =
    "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

static struct {
    bool shift[2];
    bool control;
    bool caps_lock;
    bool extended;
} keyboard;

static bool keyboard_wait_writable(void)
{
    for (unsigned i = 0; i < SPIN_MAX; i++) {
        if ((port_read(COMMAND) & STATUS_BUSY) == 0) {
            return true;
        }
    }
    return false;
}

static int keyboard_wait_byte(void)
{
    for (unsigned i = 0; i < SPIN_MAX; i++) {
        if ((port_read(COMMAND) & STATUS_FULL) != 0) {
            return port_read(DATA);
        }
    }
    return -1;
}

static bool keyboard_send(uint16_t port, uint8_t value)
{
    if (!keyboard_wait_writable()) {
        return false;
    }
    port_write(port, value);
    return true;
}

bool keyboard_init(mach_port_t hardware)
{
    int configuration;

    if (!ports_grant(hardware, DATA, DATA) || !ports_grant(hardware, COMMAND, COMMAND) ||
        port_read(COMMAND) == 0xff) {
        return false;
    }
    while ((port_read(COMMAND) & STATUS_FULL) != 0) {
        port_read(DATA);
    }
    if (!keyboard_send(COMMAND, COMMAND_TEST_KEYBOARD) || keyboard_wait_byte() != TEST_PASSED ||
        !keyboard_send(COMMAND, COMMAND_READ_CONFIGURATION)) {
        return false; /* or there is a controller, but nothing at its line */
    }
    configuration = keyboard_wait_byte();
    if (configuration < 0) {
        return false;
    }
    configuration |= CONFIGURATION_INTERRUPT | CONFIGURATION_TRANSLATE;
    configuration &= ~CONFIGURATION_DISABLED;
    return keyboard_send(COMMAND, COMMAND_WRITE_CONFIGURATION) &&
           keyboard_send(DATA, (uint8_t)configuration) && keyboard_send(COMMAND, COMMAND_ENABLE) &&
           keyboard_send(DATA, KEYBOARD_ENABLE) && keyboard_wait_byte() >= 0;
}

/* Keys after the code EXTENDED: the arrows and their neighbours. */
static const char *keyboard_extended(uint8_t key)
{
    switch (key) {
    case 0x48:
        return "\033[A";
    case 0x50:
        return "\033[B";
    case 0x4d:
        return "\033[C";
    case 0x4b:
        return "\033[D";
    case 0x47:
        return "\033[H";
    case 0x4f:
        return "\033[F";
    case 0x53:
        return "\033[3~";
    case 0x1c:
        return "\n";
    case 0x35:
        return "/";
    default:
        return "";
    }
}

static const char *keyboard_plain(uint8_t key)
{
    static char text[2];
    bool shift = keyboard.shift[0] || keyboard.shift[1];
    char c;

    if (key >= sizeof(keys_plain) - 1) {
        return "";
    }
    c = keys_plain[key];
    if (keyboard.caps_lock && c >= 'a' && c <= 'z') {
        shift = !shift;
    }
    text[0] = shift ? keys_shifted[key] : c;
    if (keyboard.control && ((c >= 'a' && c <= 'z') || (c >= '[' && c <= ']'))) {
        text[0] = (char)(c & 0x1f);
    }
    return text;
}

/* Keys that change what others mean. Returns: false for other keys. */
static bool keyboard_modifier(uint8_t key, bool pressed)
{
    if (key == KEY_CONTROL) {
        keyboard.control = pressed;
    } else if (keyboard.extended) {
        return false;
    } else if (key == KEY_SHIFT_LEFT || key == KEY_SHIFT_RIGHT) {
        keyboard.shift[key == KEY_SHIFT_RIGHT] = pressed;
    } else if (key == KEY_CAPS_LOCK) {
        keyboard.caps_lock ^= pressed;
    } else {
        return false;
    }
    return true;
}

bool keyboard_read(const char **text)
{
    uint8_t status = port_read(COMMAND);
    uint8_t code;
    uint8_t key;
    bool pressed;

    *text = "";
    if ((status & STATUS_FULL) == 0 || status == 0xff) {
        return false;
    }
    code = port_read(DATA);
    if ((status & STATUS_MOUSE) != 0) {
        return true;
    }
    if (code == EXTENDED) {
        keyboard.extended = true;
        return true;
    }
    key = code & (uint8_t)~RELEASED;
    pressed = (code & RELEASED) == 0;
    if (!keyboard_modifier(key, pressed) && pressed) {
        *text = keyboard.extended ? keyboard_extended(key) : keyboard_plain(key);
    }
    keyboard.extended = false;
    return true;
}
